/** `xinghe evaluate`: the published sets on a model, or on outputs that were recorded. */
import { join } from 'node:path';
import { InputError } from '../errors/index.js';
import {
  type Answerer,
  dialogueOf,
  dimensionsText,
  type EvaluationPlan,
  type EvaluationResult,
  evaluateTasks,
  HttpModel,
  type Judge,
  type LanguageModel,
  type PlannedTasks,
  PRESET_NAMES,
  type Preset,
  type PromptForm,
  planTasks,
  presetOf,
  readPredictions,
  resultTable,
  TASKS,
  tableText,
} from '../evaluation/index.js';
import type { ModelRanks } from '../generation/index.js';
import { log } from '../log/index.js';
import { chatOptions } from './chat-options.js';
import { openLocalModel } from './evaluated-model.js';
import { placed } from './hub-options.js';
import { judgeOptions, openJudge } from './judge-options.js';
import { exactIntegerOptions, modelOptions } from './model-options.js';
import { onRanks } from './on-ranks.js';
import { type OptionSpec, type OptionValues, parseOptions } from './options.js';

const specs = {
  model: {
    kind: 'string',
    value: 'DIR|URL',
    place: 'model',
    help: 'model folder, weight file, ORG/NAME of the hub, or the address of an OpenAI-compatible API',
  },
  predictions: {
    kind: 'string',
    value: 'FILE',
    help: 'outputs recorded elsewhere, in place of a model: lines of {"task","id","output"}',
  },
  task: {
    kind: 'string',
    value: 'NAME,…',
    help: `${TASKS.map(({ name }) => name).join(', ')}, or YAML files of your own, or folders of them`,
  },
  preset: { kind: 'string', allowedValues: PRESET_NAMES, help: 'the sets and shots of a published table' },
  data: {
    kind: 'string',
    value: 'ROOT',
    place: 'data',
    help: 'holds a folder for each set; tasks of your own may bring their rows beside them',
  },
  dialogues: {
    kind: 'string',
    value: 'PATH',
    help: 'of the task dialogue: a file of lines {"turns": […]}, or a folder of such, in place of ours',
  },
  output: { kind: 'string', value: 'DIR', required: true, help: 'where results.json and samples.jsonl go' },
  shots: {
    kind: 'integer',
    min: 0,
    help: 'worked examples before each question; default: as the set is published',
  },
  cot: { kind: 'flag', help: 'thoughts before the answer, where a set has such a form' },
  mode: {
    kind: 'string',
    allowedValues: ['loglikelihood', 'generate'],
    help: 'compare the options, or let the answer be written; default: as the set is published',
  },
  form: {
    kind: 'string',
    allowedValues: ['chat', 'plain'],
    help: 'default: options are compared behind plain text, answers are written in the chat form where there is one',
  },
  limit: { kind: 'integer', min: 1, help: 'samples of each task at most, taken from its files in turns' },
  split: { kind: 'string', value: 'NAME', help: 'test, val or dev; default: as the set is published' },
  'max-new-tokens': { kind: 'integer', min: 1, help: 'of written answers; default: as the set needs' },
  ...modelOptionsButModel(),
  ...exactIntegerOptions,
  tokenizer: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    help: 'default: the one in the model folder',
  },
  ...chatOptions,
  'model-name': {
    kind: 'string',
    value: 'NAME',
    help: 'with an address: which of its models; default its first',
  },
  timeout: { kind: 'integer', min: 1, help: 'with an address: seconds for one answer; default 120' },
  parallel: { kind: 'integer', min: 1, help: 'with an address: questions at the same time; default 8' },
  python: { kind: 'string', value: 'PATH', help: 'the interpreter for sets that run code; default python3' },
  'run-code-unsafely': { kind: 'flag', help: 'run what a model wrote without a sandbox where none works' },
  ...judgeOptions,
  overwrite: { kind: 'flag', help: 'begin anew where the output folder holds another evaluation' },
  json: { kind: 'flag', help: 'print {"results": […]} on stdout' },
} as const satisfies Record<string, OptionSpec>;

function modelOptionsButModel(): Omit<typeof modelOptions, 'model'> {
  const { model: _model, ...others } = modelOptions;
  return others;
}

export type EvaluateOptions = OptionValues<typeof specs>;

const EXIT_INCOMPLETE = 1;

export async function evaluate(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe evaluate',
        summary: 'published evaluation sets on a model, or on recorded outputs',
        notes:
          'An interrupted evaluation goes on where it stopped when the same command is given again. The key of an address is ' +
          'read from OPENAI_API_KEY, that of a judge from JUDGE_API_KEY (else OPENAI_API_KEY, unless --model is another address).',
      },
      specs,
      args,
    ),
  );
  const { model: path, predictions } = options;
  if ((path === undefined) === (predictions === undefined))
    throw new InputError('xinghe evaluate: give --model DIR|URL or --predictions FILE, one of the two.');
  if (path !== undefined && !isAddress(path))
    return onRanks({ ...options, model: path }, (ranks) => evaluateBy(options, args, ranks));
  return evaluateBy(options, args, undefined);
}

async function evaluateBy(
  options: EvaluateOptions,
  args: readonly string[],
  ranks: ModelRanks | undefined,
): Promise<number> {
  const { model: path, predictions } = options;
  const preset = presetOf(options.preset);
  const model = path === undefined ? undefined : await openModel(options, path, ranks);
  let judge: Judge | undefined;
  try {
    const { tasks, notes } = plannedTasks(options, preset, model);
    for (const note of notes) log(note);
    judge = await openJudge(options, isAddress(path) ? path : undefined, (folder) =>
      openLocalModel({ ...options, ...JUDGE_ALONE, model: folder }),
    );
    const answerer: Answerer =
      model === undefined
        ? {
            kind: 'predictions',
            predictions: readPredictions(
              predictions ?? '',
              tasks.map(({ task }) => task),
            ),
          }
        : { kind: 'model', model };
    const plan: EvaluationPlan = {
      tasks,
      data: options.data,
      split: options.split,
      limit: options.limit,
      maxNewTokens: options['max-new-tokens'],
      output: options.output,
      overwrite: options.overwrite,
      command: ['xinghe', 'evaluate', ...args],
    };
    const result = await evaluateTasks(plan, answerer, {
      python: options.python,
      runCodeUnsafely: options['run-code-unsafely'],
      judge,
    });
    reportJudge(result, judge);
    return report(result, options);
  } finally {
    judge?.dispose();
    model?.dispose();
  }
}

/** Options of the measured model that say nothing of a judge. */
const JUDGE_ALONE = {
  adapter: undefined,
  config: undefined,
  tokenizer: undefined,
  'chat-template': undefined,
  'template-set': [],
};

function isAddress(path: string | undefined): boolean {
  return path !== undefined && /^https?:\/\//.test(path);
}

/** @throws InputError for options of a judge or of dialogues where no task takes them */
function plannedTasks(
  options: EvaluateOptions,
  preset: Preset | undefined,
  model: LanguageModel | undefined,
): PlannedTasks {
  const { tasks, notes } = planTasks({ ...options, preset, isCot: options.cot, forms: model?.forms });
  const judged = tasks.filter(({ task }) => task.isJudged === true);
  for (const name of ['judge', 'dialogues'] as const)
    if (options[name] !== undefined && judged.length === 0)
      throw new InputError(
        `xinghe evaluate: --${name} is for the task dialogue; none of these tasks is judged.`,
      );
  const { dialogues } = options;
  if (dialogues === undefined) return { tasks, notes };
  const own = dialogueOf(dialogues);
  return { notes, tasks: tasks.map((plan) => (plan.task.name === own.name ? { ...plan, task: own } : plan)) };
}

async function openModel(
  options: EvaluateOptions,
  path: string,
  ranks: ModelRanks | undefined,
): Promise<LanguageModel> {
  if (!isAddress(path)) return openLocalModel({ ...options, model: path }, ranks);
  const unused = (['adapter', 'config', 'dtype', 'device', 'threads', 'tokenizer'] as const).filter(
    (name) => options[name] !== undefined,
  );
  if (unused.length > 0)
    throw new InputError(`xinghe evaluate: --${unused[0]} is for a model of yours; ${path} has its own.`);
  return HttpModel.open({
    address: path,
    name: options['model-name'],
    timeoutSeconds: options.timeout,
    parallel: options.parallel,
    apiKey: process.env.OPENAI_API_KEY,
    forms: formsOf(options.form),
  });
}

function formsOf(form: PromptForm | undefined): readonly PromptForm[] {
  return form === 'plain' ? ['plain', 'chat'] : ['chat', 'plain'];
}

/** What the judge could not be brought to say. */
function reportJudge({ tasks }: EvaluationResult, judge: Judge | undefined): void {
  if (judge === undefined) return;
  const { asked, cached } = judge.counts;
  log(`judge: ${cached} verdicts were there already, ${asked} questions were put to it`);
  for (const { task, judge: said } of tasks) {
    if (said === undefined || said === null) continue;
    for (const { reason, count, examples } of said.unusable)
      log(
        `${task}: ${count} x no verdict (${reason}), not in the score; the first: ${examples[0]?.message ?? ''}`,
      );
    for (const { reason, count, examples } of said.failed)
      log(
        `${task}: ${count} x the judge did not answer (${reason}), not in the score; the same command asks again; the first: ${examples[0]?.message ?? ''}`,
      );
  }
}

function report(result: EvaluationResult, { output, json }: EvaluateOptions): number {
  for (const { task, notes, problems, failures, dropped_shots, submission } of result.tasks) {
    for (const note of notes) log(`${task}: ${note}`);
    if (dropped_shots > 0)
      log(`${task}: ${dropped_shots} examples were left out, for prompts did not fit the model`);
    for (const { reason, count, examples } of [...problems, ...failures])
      log(`${task}: ${count} x ${reason}, the first: ${examples[0]?.message ?? ''}`);
    if (submission !== null)
      log(`${task}: the set has no labels; the answers to hand in are in ${join(output, submission)}`);
  }
  const { samples_per_second: rate, tokens } = result.time;
  if (tokens !== null) {
    const share = tokens.promptTokens === 0 ? 0 : tokens.cachedTokens / tokens.promptTokens;
    log(
      `${rate.toFixed(2)} samples/s; ${(100 * share).toFixed(1)} % of ${tokens.promptTokens} prompt tokens came from the cache`,
    );
  }
  if (json) process.stdout.write(`${JSON.stringify({ results: result.results })}\n`);
  else
    process.stdout.write(
      tableText(resultTable(result), process.stdout.isTTY ? process.stdout.columns : undefined),
    );
  if (!json) process.stdout.write(dimensionsText(result));
  // Verdicts that are still wanted leave a score over the others.
  if (
    result.complete ||
    result.tasks.every(({ failures, judge }) => failures.length === 0 && judge?.verdicts !== 0)
  )
    return 0;
  const failed = result.tasks.flatMap(({ failures }) => failures).reduce((sum, { count }) => sum + count, 0);
  log(
    `xinghe evaluate: ${failed} samples could not be asked, there is no score of their tasks; the same command asks them again`,
  );
  return EXIT_INCOMPLETE;
}
