/** One evaluation from its plan to its files: samples, answers, grades, results. */

import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { productVersion } from '../../config/index.js';
import { InterruptedError } from '../../errors/index.js';
import { lockOutput, writeFileAtomic } from '../../formats/index.js';
import type { Judge } from '../judge/judge.js';
import { type JudgedTask, judgeSamples, summariseVerdicts } from '../judge/judge-samples.js';
import type { LanguageModel, ModelUsage } from '../model/language-model.js';
import { type Problem, Problems } from '../problems.js';
import type { GradingTools } from '../task.js';
import { askModel, takePredictions } from './answer-samples.js';
import { chanceOf } from './chance.js';
import type { EvaluationPlan } from './evaluation-plan.js';
import { Journal } from './journal.js';
import { type LoadedTask, loadSamples } from './load-samples.js';
import { type Answered, gradeSample, judgedOutcome, type Outcome, sampleLine } from './outcome.js';
import type { Predictions } from './predictions.js';
import { refuseOtherResults } from './refuse-other-results.js';
import { metricsOf, type ResultEntry, summarise } from './summarise.js';

const OTHER_RESULTS =
  'is the result of another evaluation (other model, set or options); give another --output, or --overwrite to begin anew.';

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
  /** The share that guessing would get right; null where samples are not each one choice among options. */
  readonly chance: number | null;
  readonly notes: readonly string[];
  /** Rows, recorded outputs and questions that something was wrong with. */
  readonly problems: readonly Problem[];
  readonly dropped_shots: number;
  /** Samples that could not be asked; the same command asks them again. */
  readonly failures: readonly Problem[];
  readonly submission: string | null;
  /** Of dialogues; null where no judge was named. */
  readonly judge?: JudgedTask['report'] | null;
}

/** What `results.json` holds, by the same names. */
export interface EvaluationResult {
  /** Version of Xinghe. */
  readonly xinghe: string;
  /** As it was started. */
  readonly command: readonly string[];
  /** Equal for evaluations that may go on from each other: model, sets, options. */
  readonly fingerprint: string;
  /** Of all draws. */
  readonly seed: number;
  /** Samples of each task at most; null: all. */
  readonly limit: number | null;
  /** Null: as each set is published. */
  readonly split: string | null;
  /** Null: as each set needs. */
  readonly max_new_tokens: number | null;
  /** Which model it was: path and hashes of its files; null for recorded outputs. */
  readonly model: unknown;
  /** The file of recorded outputs; null for a model. */
  readonly predictions: {
    /** As given. */
    readonly path: string;
    /** Of its content. */
    readonly sha256: string;
  } | null;
  /** How each task was asked, and what went wrong. */
  readonly tasks: readonly TaskReport[];
  /** The scores: one entry for each task and metric. */
  readonly results: readonly ResultEntry[];
  /** Every sample was asked and graded. */
  readonly complete: boolean;
  /** All that differs between two runs of one command. */
  readonly time: {
    /** ISO 8601. */
    readonly started: string;
    /** Of the whole evaluation. */
    readonly seconds: number;
    /** Graded samples. */
    readonly samples_per_second: number;
    /** Read, found in the cache, written; null where nobody counted. */
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
  judge?: Judge | undefined,
): Promise<EvaluationResult> {
  const started = new Date();
  const loaded: LoadedTask[] = [];
  for (const task of plan.tasks) {
    const outputs =
      answerer.kind === 'predictions' ? answerer.predictions.outputs.get(task.task.name) : undefined;
    loaded.push(await loadSamples(task, plan, outputs === undefined ? undefined : new Set(outputs.keys())));
  }
  const fingerprint = fingerprintOf(plan, loaded, answerer, judge);
  const release = lockOutput(plan.output);
  try {
    refuseOtherResults(plan, fingerprint, OTHER_RESULTS);
    mkdirSync(plan.output, { recursive: true });
    const journal =
      answerer.kind === 'model'
        ? new Journal(join(plan.output, 'unfinished.jsonl'), fingerprint, plan.overwrite)
        : undefined;
    try {
      return await evaluateAll({ plan, loaded, answerer, tools, judge, fingerprint, started }, journal);
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
  readonly judge: Judge | undefined;
  readonly fingerprint: string;
  readonly started: Date;
}

async function evaluateAll(run: Run, journal: Journal | undefined): Promise<EvaluationResult> {
  const { plan, loaded, answerer, fingerprint, started } = run;
  const known = journal?.size ?? 0;
  const evaluated: EvaluatedTask[] = [];
  for (const task of loaded) evaluated.push(await evaluateTask(run, task, journal));
  const isComplete = evaluated.every(
    ({ report: { failures, judge } }) => failures.length === 0 && (judge?.failed.length ?? 0) === 0,
  );
  const lines = evaluated.flatMap(({ report, outcomes }) =>
    outcomes.map((outcome) => `${JSON.stringify(sampleLine(report.task, outcome))}\n`),
  );
  const seconds = (Date.now() - started.getTime()) / 1000;
  const result: EvaluationResult = {
    xinghe: productVersion(),
    command: plan.command,
    fingerprint,
    seed: 0,
    limit: plan.limit ?? null,
    split: plan.split ?? null,
    max_new_tokens: plan.maxNewTokens ?? null,
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
  const judged =
    task.isJudged === true ? await judgeSamples(run.judge, task.name, samples, answered) : undefined;
  const outcomes: Outcome[] = [];
  for (const [index, sample] of samples.entries()) {
    const given = answered[index] ?? { kind: 'missing' as const, reason: 'could not be asked' };
    if (judged !== undefined) outcomes.push(judgedOutcome(sample, given, judged.replies[index], metric));
    else outcomes.push(await gradeSample(sample, given, metric, run.tools));
  }
  const entries =
    judged === undefined
      ? summarise(task, outcomes, metricsOf(own, outcomes))
      : [summariseVerdicts(task.name, metric, outcomes)];
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
      chance: chanceOf(samples),
      notes: isUnlabelled ? [...loaded.notes, 'the set has no labels: there is no score'] : loaded.notes,
      problems: loaded.problems.list(),
      dropped_shots: droppedShots,
      failures: failures.list(),
      submission: handedIn === undefined ? null : `${task.name}-submission.json`,
      ...(judged !== undefined && { judge: judged.report, notes: [...loaded.notes, ...judged.notes] }),
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

/** Everything that decides the numbers. */
function fingerprintOf(
  plan: EvaluationPlan,
  loaded: readonly LoadedTask[],
  answerer: Answerer,
  judge: Judge | undefined,
): string {
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
    .update(
      JSON.stringify([
        tasks,
        who,
        split,
        limit,
        maxNewTokens,
        ...(judge === undefined ? [] : [judge.report]),
      ]),
    )
    .digest('hex');
}
