/** One evaluation from its plan to its files: samples, answers, grades, results. */

import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { productVersion } from '../../config/index.js';
import { InputError, InterruptedError } from '../../errors/index.js';
import { fileStatus, lockOutput, readJsonFile, writeFileAtomic } from '../../formats/index.js';
import { fieldOf } from '../../json/index.js';
import type { LanguageModel, ModelUsage } from '../model/language-model.js';
import { type Problem, Problems } from '../problems.js';
import type { GradingTools } from '../task.js';
import { askModel, takePredictions } from './answer-samples.js';
import type { EvaluationPlan, TaskPlan } from './evaluation-plan.js';
import { Journal } from './journal.js';
import { type LoadedTask, loadSamples } from './load-samples.js';
import { type Answered, gradeSample, type Outcome, sampleLine } from './outcome.js';
import type { Predictions } from './predictions.js';
import { type ResultEntry, summarise } from './summarise.js';

/** Who answers: a model, or a file of recorded outputs. */
export type Answerer =
  | { readonly kind: 'model'; readonly model: LanguageModel }
  | { readonly kind: 'predictions'; readonly predictions: Predictions };

export interface TaskReport {
  readonly task: string;
  readonly version: number;
  readonly source: string;
  readonly shots: number;
  readonly cot: boolean;
  readonly mode: 'loglikelihood' | 'generate' | 'predictions';
  readonly form: 'chat' | 'plain' | null;
  readonly data: { readonly files: number; readonly sha256: string };
  readonly notes: readonly string[];
  /** Rows, recorded outputs and questions that something was wrong with. */
  readonly problems: readonly Problem[];
  readonly dropped_shots: number;
  /** Samples that could not be asked; the same command asks them again. */
  readonly failures: readonly Problem[];
  readonly submission: string | null;
}

export interface EvaluationResult {
  readonly xinghe: string;
  readonly command: readonly string[];
  readonly fingerprint: string;
  readonly seed: number;
  readonly model: unknown;
  readonly predictions: { readonly path: string; readonly sha256: string } | null;
  readonly tasks: readonly TaskReport[];
  readonly results: readonly ResultEntry[];
  readonly complete: boolean;
  /** All that differs between two runs of one command. */
  readonly time: {
    readonly started: string;
    readonly seconds: number;
    readonly samples_per_second: number;
    readonly tokens: ModelUsage | null;
  };
}

/**
 * Writes `results.json`, `samples.jsonl` and what is to be handed in elsewhere.
 * @throws InputError for bad sets and options, results of another evaluation in the output folder; InterruptedError
 */
export async function runEvaluation(
  plan: EvaluationPlan,
  answerer: Answerer,
  tools: GradingTools,
): Promise<EvaluationResult> {
  const started = new Date();
  const loaded: LoadedTask[] = [];
  for (const task of plan.tasks) {
    const outputs =
      answerer.kind === 'predictions' ? answerer.predictions.outputs.get(task.task.name) : undefined;
    loaded.push(await loadSamples(task, plan, outputs === undefined ? undefined : new Set(outputs.keys())));
  }
  const fingerprint = fingerprintOf(plan, loaded, answerer);
  const release = lockOutput(plan.output);
  try {
    refuseOthers(plan, fingerprint);
    mkdirSync(plan.output, { recursive: true });
    const journal =
      answerer.kind === 'model'
        ? new Journal(join(plan.output, 'unfinished.jsonl'), fingerprint, plan.overwrite)
        : undefined;
    try {
      return await evaluateAll({ plan, loaded, answerer, tools, fingerprint, started }, journal);
    } finally {
      journal?.close();
    }
  } finally {
    release();
  }
}

interface Run {
  readonly plan: EvaluationPlan;
  readonly loaded: readonly LoadedTask[];
  readonly answerer: Answerer;
  readonly tools: GradingTools;
  readonly fingerprint: string;
  readonly started: Date;
}

async function evaluateAll(run: Run, journal: Journal | undefined): Promise<EvaluationResult> {
  const { plan, loaded, answerer, fingerprint, started } = run;
  const known = journal?.size ?? 0;
  const evaluated: EvaluatedTask[] = [];
  for (const task of loaded) evaluated.push(await evaluateTask(run, task, journal));
  const isComplete = evaluated.every(({ report }) => report.failures.length === 0);
  const lines = evaluated.flatMap(({ report, outcomes }) =>
    outcomes.map((outcome) => `${JSON.stringify(sampleLine(report.task, outcome))}\n`),
  );
  const seconds = (Date.now() - started.getTime()) / 1000;
  const result: EvaluationResult = {
    xinghe: productVersion(),
    command: plan.command,
    fingerprint,
    seed: 0,
    model: answerer.kind === 'model' ? answerer.model.identity : null,
    predictions:
      answerer.kind === 'predictions'
        ? { path: answerer.predictions.path, sha256: answerer.predictions.sha256 }
        : null,
    tasks: evaluated.map(({ report }) => report),
    results: evaluated.flatMap(({ entries }) => entries),
    complete: isComplete,
    time: {
      started: started.toISOString(),
      seconds,
      samples_per_second: (lines.length - known) / seconds,
      tokens: answerer.kind === 'model' ? answerer.model.usage : null,
    },
  };
  writeFileAtomic(join(plan.output, 'samples.jsonl'), lines.join(''));
  for (const { report, submission } of evaluated)
    if (report.submission !== null)
      writeFileAtomic(join(plan.output, report.submission), `${JSON.stringify(submission, null, 1)}\n`);
  writeFileAtomic(join(plan.output, 'results.json'), `${JSON.stringify(result, null, 2)}\n`);
  if (isComplete) journal?.remove();
  return result;
}

interface EvaluatedTask {
  readonly report: TaskReport;
  readonly outcomes: readonly Outcome[];
  readonly entries: readonly ResultEntry[];
  readonly submission: unknown;
}

async function evaluateTask(
  run: Run,
  loaded: LoadedTask,
  journal: Journal | undefined,
): Promise<EvaluatedTask> {
  const { plan: own, samples } = loaded;
  const { task } = own;
  const failures = new Problems();
  const { answered, droppedShots } = await answersFor(run, loaded, journal, failures);
  const metric = task.metric ?? 'acc';
  const outcomes: Outcome[] = [];
  for (const [index, sample] of samples.entries()) {
    const given = answered[index] ?? { kind: 'missing' as const, reason: 'could not be asked' };
    outcomes.push(await gradeSample(sample, given, metric, run.tools));
  }
  const entries = summarise(task, outcomes, metricsOf(own, outcomes));
  const isUnlabelled = outcomes.length > 0 && samples.every(({ target }) => target === null);
  const handedIn = isUnlabelled && failures.total === 0 ? task.submission : undefined;
  return {
    outcomes,
    // A score over samples that could not be asked would be a wrong one.
    entries: failures.total === 0 ? entries : entries.map(withoutScore),
    submission: handedIn?.(outcomes.map(({ sample, grade }) => ({ sample, extracted: grade.extracted }))),
    report: {
      task: task.name,
      version: task.version,
      source: task.source,
      shots: own.shots,
      cot: own.isCot,
      mode: run.answerer.kind === 'model' ? own.mode : 'predictions',
      form: run.answerer.kind === 'model' ? own.form : null,
      data: loaded.data,
      notes: isUnlabelled ? [...loaded.notes, 'the set has no labels: there is no score'] : loaded.notes,
      problems: loaded.problems.list(),
      dropped_shots: droppedShots,
      failures: failures.list(),
      submission: handedIn === undefined ? null : `${task.name}-submission.json`,
    },
  };
}

async function answersFor(
  { plan, answerer }: Run,
  loaded: LoadedTask,
  journal: Journal | undefined,
  failures: Problems,
): Promise<{ readonly answered: readonly (Answered | undefined)[]; readonly droppedShots: number }> {
  if (answerer.kind === 'predictions' || journal === undefined) {
    if (answerer.kind !== 'predictions') throw new RangeError('a model without a journal');
    return { answered: takePredictions(loaded, answerer.predictions), droppedShots: 0 };
  }
  try {
    return await askModel(loaded, {
      model: answerer.model,
      journal,
      maxNewTokens: plan.maxNewTokens,
      failures,
    });
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    throw new InterruptedError(
      `${error.message}; ${plan.output} keeps ${journal.size} answers, the same command goes on from there`,
    );
  }
}

function withoutScore(entry: ResultEntry): ResultEntry {
  return { ...entry, score: null, stderr: null, confidence_interval: null, groups: {} };
}

/** Which numbers these outcomes give, in the order in which they are shown. */
function metricsOf({ task, mode }: TaskPlan, outcomes: readonly Outcome[]): string[] {
  const first = task.metric ?? 'acc';
  const byChoices = mode === 'loglikelihood' && outcomes.some(({ answered }) => answered.kind === 'choices');
  const usual = byChoices
    ? ['acc', 'acc_norm', 'acc_bytes', 'greedy_match', 'bits_per_byte']
    : [first, ...(task.otherMetrics ?? [])];
  const own = task.metrics ?? usual;
  const isThere = (metric: string): boolean => outcomes.some(({ scores }) => Object.hasOwn(scores, metric));
  const found = [...new Set([...own, first])].filter(isThere);
  return found.length === 0 ? [first] : found;
}

/** Everything that decides the numbers. */
function fingerprintOf(plan: EvaluationPlan, loaded: readonly LoadedTask[], answerer: Answerer): string {
  const tasks = loaded.map(({ plan: { task, ...own }, data, samples }) => ({
    name: task.name,
    version: task.version,
    ...own,
    data,
    n: samples.length,
  }));
  const who = answerer.kind === 'model' ? answerer.model.identity : answerer.predictions.sha256;
  const { split = null, limit = null, maxNewTokens = null } = plan;
  return createHash('sha256')
    .update(JSON.stringify([tasks, who, split, limit, maxNewTokens]))
    .digest('hex');
}

/** @throws InputError for results of another evaluation; its own are made anew */
function refuseOthers({ output, overwrite }: EvaluationPlan, fingerprint: string): void {
  const status = fileStatus(output);
  if (status !== undefined && !status.isDirectory())
    throw new InputError(`--output ${output} is a file; name a folder.`);
  const path = join(output, 'results.json');
  if (overwrite || fileStatus(path) === undefined) return;
  if (fieldOf(readJsonFile(path), 'fingerprint') !== fingerprint)
    throw new InputError(
      `${path} is the result of another evaluation (other model, set or options); give another --output, or --overwrite to begin anew.`,
    );
}
