/** `xinghe persona train`: the published defaults on what prepare wrote. */
import { loadTrainingConfig } from '../../compat/index.js';
import { createTaskEvaluator } from '../../library/index.js';
import { log } from '../../log/index.js';
import { writeTrainConfig } from '../../persona/index.js';
import { runTraining } from '../../training/index.js';
import { type OptionSpec, parseOptions } from '../options.js';

export const trainOptions = {
  lora: { kind: 'flag', help: 'learn an adapter (rank 8, every linear layer) instead of the weights' },
  set: {
    kind: 'strings',
    value: 'key=value…',
    help: 'override any key of the training configuration, e.g. training.learning_rate=1e-3',
  },
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
} as const satisfies Record<string, OptionSpec>;

const specs = {
  data: { kind: 'string', value: 'DIR', required: true, help: 'what persona prepare wrote' },
  model: { kind: 'string', value: 'PATH', required: true, help: 'model folder or weight file to begin with' },
  output: {
    kind: 'string',
    value: 'DIR',
    required: true,
    help: 'as of xinghe train: final/, adapter/, metrics.jsonl',
  },
  ...trainOptions,
  seed: { kind: 'integer', min: 0, help: 'default 42' },
  device: { kind: 'string', value: 'cpu|cuda[:N]', help: 'default cpu' },
  json: { kind: 'flag', help: 'print a summary as JSON on stdout' },
} as const satisfies Record<string, OptionSpec>;

export async function personaTrain(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    {
      command: 'xinghe persona train',
      summary: 'train on what persona prepare wrote, with the published defaults',
      notes:
        'Rows of 8192 tokens (or as many as the model takes), 2 of them a step, 3e-5 down to 1e-10, three times through the data; ' +
        'train.yaml in the output folder is the whole configuration. The same command goes on with a run that was interrupted.',
    },
    specs,
    args,
  );
  const config = writeTrainConfig(options);
  const { losses, tokens, seconds, evaluations } = await runPersonaTraining(config, options.set);
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ output: options.output, steps: losses.length, first_loss: losses[0]?.loss, last_loss: losses.at(-1)?.loss, eval_loss: evaluations.at(-1)?.loss, tokens, seconds })}\n`,
    );
  return 0;
}

/** Begins a run, or goes on with it. */
export async function runPersonaTraining(
  path: string,
  set: readonly string[],
): ReturnType<typeof runTraining> {
  const { config, notes } = loadTrainingConfig(path, set);
  for (const note of notes) log(note);
  return runTraining(config, { resume: 'auto', createTaskEvaluator });
}
