/** `xinghe judge`: recorded dialogues of several models against each other, and a judge against people. */
import { join } from 'node:path';
import { InputError } from '../errors/index.js';
import {
  type AgreementReport,
  agreementOfScores,
  loadDialogues,
  type PairwiseResult,
  pairwiseMarkdown,
  pairwiseText,
  readHumanScores,
  readHumanWinners,
  readRecordedRun,
  runPairwise,
} from '../evaluation/index.js';
import { checkWritable, writeFileAtomic } from '../formats/index.js';
import { log } from '../log/index.js';
import { chatOptions } from './chat-options.js';
import { openLocalModel } from './evaluated-model.js';
import { placed } from './hub-options.js';
import { judgeOptions, openJudge } from './judge-options.js';
import { modelOptions } from './model-options.js';
import { type OptionSpec, type OptionValues, parseOptionsAndWords } from './options.js';

const { hub, config, dtype, device, threads } = modelOptions;

const specs = {
  ...judgeOptions,
  output: { kind: 'string', value: 'DIR', required: true, help: 'where results.json and pairs.jsonl go' },
  baseline: {
    kind: 'string',
    value: 'NAME',
    help: 'compare each run with this one alone; default all with all',
  },
  labels: {
    kind: 'string',
    value: 'FILE',
    help: 'what people said, to hold the judge against: of one run lines of {"id","score"}, of several {"id","models","winner"}',
  },
  dialogues: { kind: 'string', value: 'PATH', help: 'as xinghe evaluate had it; default our dialogues' },
  limit: { kind: 'integer', min: 1, help: 'dialogues at most, taken from the dimensions in turns' },
  resamples: { kind: 'integer', min: 1, help: 'for intervals; default 1000' },
  seed: { kind: 'integer', min: 0, help: 'of the resamples; default 0' },
  timeout: { kind: 'integer', min: 1, help: 'with an address: seconds for one verdict; default 120' },
  parallel: { kind: 'integer', min: 1, help: 'with an address: questions at the same time; default 8' },
  hub,
  config,
  dtype,
  device,
  threads,
  ...chatOptions,
  overwrite: { kind: 'flag', help: 'begin anew where the output folder holds another result' },
  json: { kind: 'flag', help: 'print the result on stdout' },
} as const satisfies Record<string, OptionSpec>;

type Options = OptionValues<typeof specs>;

export async function judge(args: readonly string[]): Promise<number> {
  const { options: given, words } = parseOptionsAndWords(
    {
      command: 'xinghe judge RUN RUN…',
      summary: 'compare recorded dialogues of two or more models, pair by pair, by a judge',
      notes:
        'A RUN is the output folder of xinghe evaluate --task dialogue, or a file of lines {"task","id","output"}; NAME=RUN names ' +
        'it. With one RUN and --labels, the scores of that run are held against people’s. The key of a judge’s address is read ' +
        'from JUDGE_API_KEY, else OPENAI_API_KEY. An interrupted comparison goes on when the same command is given again.',
    },
    specs,
    args,
  );
  const options = await placed(specs, given);
  if (words.length === 0)
    throw new InputError('xinghe judge: name the runs to compare: xinghe judge RUN RUN… --judge DIR|URL.');
  return words.length === 1 ? agree(options, words[0] ?? '') : await compare(options, words, args);
}

/** The scores that a run already has, against people's. */
function agree({ labels, output, json }: Options, spec: string): number {
  if (labels === undefined)
    throw new InputError('xinghe judge: give two runs or more to compare, or one and --labels FILE.');
  const run = readRecordedRun(spec);
  if (run.scores.size === 0)
    throw new InputError(`${run.path} holds no verdict of a judge; evaluate it with --judge first.`);
  const agreement = agreementOfScores(run.scores, readHumanScores(labels));
  if (agreement.n === 0)
    throw new InputError(`${labels}: no label has an id of ${run.path}; they belong to another run or set.`);
  const path = join(output, 'agreement.json');
  checkWritable(path);
  writeFileAtomic(path, `${JSON.stringify({ run: run.name, sha256: run.sha256, agreement }, null, 2)}\n`);
  if (json) process.stdout.write(`${JSON.stringify({ agreement })}\n`);
  else process.stdout.write(`${agreementText(agreement)}\n`);
  return 0;
}

async function compare(options: Options, words: readonly string[], args: readonly string[]): Promise<number> {
  if (options.judge === undefined) throw new InputError('xinghe judge: name the judge with --judge DIR|URL.');
  const runs = words.map(readRecordedRun);
  const labels = options.labels === undefined ? undefined : readHumanWinners(options.labels);
  const set = await loadDialogues(options);
  const opened = await openJudge(options, undefined, (model) =>
    openLocalModel({ ...options, model, adapter: undefined, tokenizer: undefined }),
  );
  if (opened === undefined) throw new RangeError('no judge was opened');
  try {
    const result = await runPairwise(
      {
        runs,
        set,
        baseline: options.baseline,
        rounds: options.resamples ?? 1000,
        seed: options.seed ?? 0,
        labels,
        output: options.output,
        overwrite: options.overwrite,
        command: ['xinghe', 'judge', ...args],
      },
      opened,
    );
    const { asked, cached } = opened.counts;
    log(`judge: ${cached} verdicts were there already, ${asked} questions were put to it`);
    return report(result, options);
  } finally {
    opened.dispose();
  }
}

function report(result: PairwiseResult, { output, json }: Options): number {
  writeFileAtomic(join(output, 'results.md'), pairwiseMarkdown(result));
  const { unknown, unusable, failed, regularised, agreement, pairs } = result;
  for (const [name, count] of Object.entries(unknown))
    if (count > 0) log(`${name}: ${count} answers belong to no dialogue of this set and are not compared`);
  for (const { reason, count, examples } of unusable)
    log(`${count} x no verdict (${reason}); the first: ${examples[0]?.message ?? ''}`);
  for (const { reason, count, examples } of failed)
    log(
      `${count} x the judge did not answer (${reason}); the same command asks again; the first: ${examples[0]?.message ?? ''}`,
    );
  if (regularised)
    log('a model won or lost all: one tie was added to each pair that met, for it would have no rating else');
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    process.stdout.write(pairwiseText(result));
    if (agreement !== null) process.stdout.write(`${agreementText(agreement)}\n`);
  }
  return failed.length > 0 && pairs.every(({ n }) => n === 0) ? 1 : 0;
}

function agreementText(agreement: AgreementReport): string {
  const shown = Object.entries(agreement).map(([name, value]) =>
    typeof value === 'number' && !Number.isInteger(value)
      ? `${name} ${value.toFixed(3)}`
      : `${name} ${value ?? '-'}`,
  );
  return `agreement with people: ${shown.join(', ')}`;
}
