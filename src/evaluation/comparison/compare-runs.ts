/** Two or more evaluations against each other, on the samples that they have in common. */
import { InputError } from '../../errors/index.js';
import { TASKS } from '../registry.js';
import type { ComparisonWarning } from '../report/page/comparison-warning.js';
import { type Incomparable, settingsThatDiffer } from './comparability.js';
import { type McNemarResult, mcnemar } from './mcnemar.js';
import { type PairedDifference, pairedDifference, pairedRatio } from './paired-difference.js';
import type { RecordedRun, RecordedSample } from './recorded-run.js';
import { scoreOf } from './sample-score.js';

export interface RunsComparison {
  readonly runs: readonly { readonly label: string; readonly folder: string; readonly fingerprint: string }[];
  readonly tasks: readonly TaskComparison[];
  /** Tasks that only some of the runs have. */
  readonly notInAll: readonly string[];
}

export interface TaskComparison {
  readonly task: string;
  /** Samples that every run has answered. */
  readonly common: number;
  /** Of each run: all of its samples. */
  readonly samples: readonly number[];
  /** What differs beside the model; the numbers are to be read with that in mind. */
  readonly warnings: readonly ComparisonWarning[];
  readonly metrics: readonly MetricComparison[];
}

export interface MetricComparison {
  readonly metric: string;
  /** Of each run, over the common samples. */
  readonly scores: readonly number[];
  /** Each further run against the first. */
  readonly against_first: readonly PairComparison[];
}

export interface PairComparison extends PairedDifference {
  /** Place of the run, from 1. */
  readonly run: number;
  /** Of samples that are right or wrong (points: all of them, or not); null where a metric has no such thing. */
  readonly mcnemar: McNemarResult | null;
}

/**
 * @param only these tasks; undefined: all that the runs have in common
 * @throws InputError for runs that measured different things: another version of a task, other data, or nothing in common
 */
export function compareRuns(runs: readonly RecordedRun[], only?: readonly string[]): RunsComparison {
  const [first] = runs;
  if (first === undefined || runs.length < 2) throw new RangeError('a comparison of fewer than two runs');
  const labels = distinctLabels(runs);
  const all = [...new Set(runs.flatMap(({ result }) => result.tasks.map(({ task }) => task)))];
  const shared = all.filter((task) => runs.every(({ samples }) => samples.has(task)));
  const unknown = only?.find((task) => !shared.includes(task));
  if (unknown !== undefined)
    throw new InputError(
      `--task ${unknown}: not every run has it; in common are ${shared.join(', ') || 'none'}.`,
    );
  if (shared.length === 0)
    throw new InputError(
      `the runs have no task in common: ${runs.map(({ result }, place) => `${labels[place]} has ${result.tasks.map(({ task }) => task).join(', ')}`).join('; ')}.`,
    );
  const tasks = (only ?? shared).map((task) => compareTask(task, runs, labels));
  return {
    runs: runs.map(({ folder, result }, place) => ({
      label: labels[place] ?? folder,
      folder,
      fingerprint: result.fingerprint,
    })),
    tasks,
    notInAll: all.filter((task) => !shared.includes(task)),
  };
}

/** Folders may have the same name: then their paths tell them apart. */
function distinctLabels(runs: readonly RecordedRun[]): string[] {
  return runs.map(({ label, folder }) =>
    runs.filter((other) => other.label === label).length > 1 ? folder : label,
  );
}

/** Samples that each run has answered, by id, in the order of the first run. */
export function commonSamples(
  runs: readonly RecordedRun[],
  task: string,
): readonly (readonly RecordedSample[])[] {
  const byId = runs.map(({ samples }) => new Map(samples.get(task)?.map((sample) => [sample.id, sample])));
  return [...(byId[0]?.keys() ?? [])].flatMap((id) => {
    const row = byId.flatMap((own) => own.get(id) ?? []);
    return row.length === runs.length && row.every(wasAsked) ? [row] : [];
  });
}

function wasAsked({ missing }: RecordedSample): boolean {
  return missing !== 'could not be asked';
}

function compareTask(task: string, runs: readonly RecordedRun[], labels: readonly string[]): TaskComparison {
  const common = commonSamples(runs, task);
  const { refusals, warnings }: Incomparable = settingsThatDiffer(task, runs, labels, common);
  const [refusal] = refusals;
  if (refusal !== undefined) throw new InputError(refusal);
  const labelled = common.filter((row) => row.every(({ target }) => target !== null));
  return {
    task,
    common: common.length,
    samples: runs.map(({ samples }) => samples.get(task)?.length ?? 0),
    warnings:
      labelled.length < common.length
        ? [...warnings, { kind: 'unlabelled', values: '', count: common.length - labelled.length }]
        : warnings,
    metrics:
      labelled.length === 0
        ? []
        : sharedMetrics(task, runs).map((metric) => compareMetric(task, metric, labelled)),
  };
}

function sharedMetrics(task: string, runs: readonly RecordedRun[]): string[] {
  const own = runs.map(({ result }) =>
    result.results.filter((entry) => entry.task === task).map(({ metric }) => metric),
  );
  return (own[0] ?? []).filter((metric) => own.every((metrics) => metrics.includes(metric)));
}

function compareMetric(
  task: string,
  metric: string,
  rows: readonly (readonly RecordedSample[])[],
): MetricComparison {
  const weights = weightsOf(task, rows);
  const scores = (rows[0] ?? []).map((_, run) => scoreOfRun(metric, rows, run, weights));
  return {
    metric,
    scores,
    against_first: scores.slice(1).map((_, place) => comparePair(metric, rows, place + 1, weights)),
  };
}

function scoreOfRun(
  metric: string,
  rows: readonly (readonly RecordedSample[])[],
  run: number,
  weights: readonly number[],
): number {
  const values = rows.map((row) => scoreIn(row[run], metric));
  if (metric !== 'points')
    return values.reduce((sum, value, place) => sum + value * (weights[place] ?? 0), 0);
  const possible = rows.reduce((sum, row) => sum + (row[0]?.max_points ?? 1), 0);
  return values.reduce((sum, value) => sum + value, 0) / possible;
}

function comparePair(
  metric: string,
  rows: readonly (readonly RecordedSample[])[],
  run: number,
  weights: readonly number[],
): PairComparison {
  const pairs = rows.map((row, place) => ({
    first: scoreIn(row[0], metric),
    second: scoreIn(row[run], metric),
    possible: row[0]?.max_points ?? 1,
    weight: weights[place] ?? 0,
  }));
  if (metric === 'points') {
    const isWhole = (points: number, possible: number): boolean => points >= possible;
    return {
      run,
      ...pairedRatio(pairs),
      mcnemar: discordance(
        pairs.map(({ first, second, possible }) => [isWhole(first, possible), isWhole(second, possible)]),
      ),
    };
  }
  const isShare = pairs.every(({ first, second }) =>
    [first, second].every((value) => value === 0 || value === 1),
  );
  return {
    run,
    ...pairedDifference(pairs),
    mcnemar: isShare ? discordance(pairs.map(({ first, second }) => [first === 1, second === 1])) : null,
  };
}

function discordance(pairs: readonly (readonly [boolean, boolean])[]): McNemarResult {
  const count = (wanted: boolean): number =>
    pairs.filter(([first, second]) => first === wanted && second !== wanted).length;
  return mcnemar(count(true), count(false));
}

function scoreIn(sample: RecordedSample | undefined, metric: string): number {
  return sample === undefined ? 0 : scoreOf(sample, metric);
}

/** As the task's score is made: the plain mean, or the mean of the means of some groups. */
function weightsOf(task: string, rows: readonly (readonly RecordedSample[])[]): number[] {
  const uniform = rows.map(() => 1 / rows.length);
  const groupsOf = (row: readonly RecordedSample[]): readonly string[] => row[0]?.groups ?? [];
  const [average] = TASKS.find(({ name }) => name === task)?.averages ?? [];
  if (average === undefined) return uniform;
  const sizes = new Map<string, number>();
  for (const row of rows) for (const group of groupsOf(row)) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const counted = new Set(average.groups([...sizes.keys()]));
  if (counted.size === 0) return uniform;
  const weights = rows.map((row) =>
    groupsOf(row)
      .filter((group) => counted.has(group))
      .reduce((sum, group) => sum + 1 / (counted.size * (sizes.get(group) ?? 1)), 0),
  );
  return weights;
}
