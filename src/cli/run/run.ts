/** `xinghe run`: the entry of the published suites, one run file and five modes. */
import {
  isPublishedRun,
  loadPublishedRun,
  notesOf,
  type PublishedRun,
  readRunOptions,
} from '../../compat/index.js';
import { readYaml11File } from '../../config/index.js';
import { rankEnvironment } from '../../distributed/index.js';
import { InputError } from '../../errors/index.js';
import { log } from '../../log/index.js';
import { hubOptions, placed } from '../hub-options.js';
import { type OptionSpec, type OptionValues, parseOptions } from '../options.js';

/** Spelled as published; with dashes they are understood too. */
const specs = {
  config: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'the run file (.yaml) of Spark or MindFormers',
  },
  run_mode: {
    kind: 'string',
    allowedValues: ['train', 'finetune', 'eval', 'predict', 'export'],
    help: 'what to do; default: as the file says',
  },
  task: { kind: 'string', value: 'TASK', help: 'text_generation, the only one' },
  use_parallel: {
    kind: 'string',
    value: 'True|False',
    help: 'share the run over the ranks of parallel_config',
  },
  load_checkpoint: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    help: 'a model folder, a weight file, a folder of rank_0, rank_1, …, or a checkpoint to resume',
  },
  auto_trans_ckpt: {
    kind: 'string',
    value: 'True|False',
    help: 'no effect: ranks of any layout are joined and cut as they are loaded',
  },
  resume: {
    kind: 'string',
    value: 'True|False|PATH',
    help: 'train: go on from the newest checkpoint of output_dir, from load_checkpoint, or from this one',
  },
  train_dataset: {
    kind: 'string',
    value: 'PATH',
    place: 'data',
    help: 'train: rows, a MindRecord file or folder',
  },
  eval_dataset: {
    kind: 'string',
    value: 'PATH',
    place: 'data',
    help: 'eval, and train with do_eval: rows to measure',
  },
  predict_data: {
    kind: 'string',
    value: 'FILE|[q1##q2]',
    help: 'predict: questions, {"input": …} a line of a .json or .jsonl file, or in the text itself',
  },
  predict_length: { kind: 'string', value: 'N', help: 'predict: new tokens at most; default 512' },
  predict_batch: { kind: 'string', value: 'N', help: 'predict: questions at the same time; default 1' },
  prompt: {
    kind: 'string',
    value: 'TEXT',
    help: "predict: put each question into this text, at its {}: '<User> {}<end><Bot> '",
  },
  streamer: { kind: 'string', value: 'True|False', help: 'predict: print the text while it comes' },
  tokenizer_file: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    help: 'default: the one beside the weights',
  },
  mindir_save_dir: { kind: 'string', value: 'FOLDER', help: 'export: where the model goes' },
  optimizer_parallel: {
    kind: 'string',
    value: 'True|False',
    help: 'train: each replica keeps a part of the optimiser state',
  },
  device_id: { kind: 'string', value: 'N', help: 'which GPU, where device_target is GPU' },
  remote_save_url: { kind: 'string', value: 'URL', help: 'no effect: copy output_dir' },
  set: {
    kind: 'strings',
    value: 'key=value…',
    help: 'any key of the file; keys of ours with xinghe. before them',
  },
  ...hubOptions,
  output: {
    kind: 'string',
    value: 'FILE',
    help: 'predict: where the answers go; default predict_results.jsonl in output_dir',
  },
  overwrite: { kind: 'flag', help: 'predict, export: replace what stands there' },
} as const satisfies Record<string, OptionSpec>;

export type RunOptions = OptionValues<typeof specs>;

/** What every mode gets. */
export interface ModeRun {
  readonly published: PublishedRun;
  readonly options: RunOptions;
}

export async function run(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe run',
        summary:
          'the published run entry: train, finetune, eval, predict or export by a run file of Spark or MindFormers',
        notes:
          'Options are spelled as published (--run_mode) or with dashes (--run-mode) and go over the file. What has no effect here is\n' +
          'listed first. Several ranks: xinghe launch --nproc N -- run --config FILE --use_parallel True, torchrun, or RANK_TABLE_FILE.',
      },
      specs,
      withUnderscores(args),
    ),
  );
  const { config: source } = options;
  if (!isPublishedRun(readYaml11File(source).value))
    throw new InputError(
      `xinghe run: ${source} is no run file of Spark or MindFormers (run_mode, runner_config, model.model_config, …); configurations ` +
        'of ours and launch scripts go to xinghe train --config.',
    );
  const ranks = rankEnvironment();
  const published = loadPublishedRun(source, options.set, {
    values: readRunOptions(options, options.set),
    ranks: ranks?.size,
  });
  refuseOptionsOfOtherModes(options, published);
  if ((ranks?.rank ?? 0) === 0) {
    log(`xinghe run: ${source}: run_mode ${published.runMode}`);
    for (const note of notesOf(published)) log(note);
  }
  const mode = { published, options };
  switch (published.runMode) {
    case 'train':
    case 'finetune':
      return await (await import('./run-train.js')).runTrain(mode);
    case 'eval':
      return await (await import('./run-eval.js')).runEval(mode);
    case 'predict':
      return await (await import('./run-predict.js')).runPredict(mode);
    case 'export':
      return await (await import('./run-export.js')).runExport(mode);
  }
}

/** `--run-mode` for `--run_mode`; values stay as they are. */
function withUnderscores(args: readonly string[]): string[] {
  return args.map((arg) => {
    const [, name = ''] = /^--([\w-]+)/.exec(arg) ?? [];
    const published = name.replaceAll('-', '_');
    return Object.hasOwn(specs, published) ? `--${published}${arg.slice(2 + name.length)}` : arg;
  });
}

/** Options that are no keys of the file: there is nothing that could be listed as without effect. */
function refuseOptionsOfOtherModes({ output, overwrite }: RunOptions, { runMode }: PublishedRun): void {
  if (output !== undefined && runMode !== 'predict')
    throw new InputError(
      `xinghe run: --output is for run_mode predict, and run_mode is ${runMode}; output_dir is its folder.`,
    );
  if (overwrite && runMode !== 'predict' && runMode !== 'export')
    throw new InputError(
      `xinghe run: --overwrite is for run_mode predict and export, and run_mode is ${runMode}.`,
    );
}
