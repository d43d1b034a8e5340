/** From the outcomes of a task's samples to the entries of its result. */
import type { AggregatedGrade, Task } from '../task.js';
import { passAtK } from '../tasks/humaneval/pass-at-k.js';
import type { TaskPlan } from './evaluation-plan.js';
import type { Outcome } from './outcome.js';
import { type Estimate, estimateMean, estimateMeanOfGroups, estimateRatio } from './statistics.js';

export interface ResultEntry {
  readonly task: string;
  readonly metric: string;
  /** Null where nothing can be said: no labels, or samples that could not be asked. */
  readonly score: number | null;
  readonly n: number;
  /** Samples without an output, counted as wrong. */
  readonly missing: number;
  /** Answers of which the judge gave no verdict that counts; they are in neither score nor n. */
  readonly unjudged?: number;
  readonly stderr: number | null;
  readonly confidence_interval: readonly [number, number] | null;
  readonly points?: number;
  readonly max_points?: number;
  /** Of what the score is a mean. */
  readonly average?: string;
  /** By other means. */
  readonly averages?: Readonly<Record<string, number>>;
  readonly groups: Readonly<Record<string, GroupEntry>>;
}

export interface GroupEntry {
  readonly score: number;
  readonly n: number;
  readonly points?: number;
  readonly max_points?: number;
  readonly confidence_interval?: readonly [number, number];
}

/** @param metrics in the order in which they are shown */
export function summarise(
  task: Task,
  outcomes: readonly Outcome[],
  metrics: readonly string[],
): ResultEntry[] {
  const labelled = outcomes.filter(({ sample }) => sample.target !== null);
  const missing = outcomes.filter(({ answered }) => answered.kind === 'missing').length;
  const common = { task: task.name, n: labelled.length || outcomes.length, missing };
  if (labelled.length === 0)
    return [
      {
        ...common,
        metric: metrics[0] ?? 'acc',
        score: null,
        stderr: null,
        confidence_interval: null,
        groups: {},
      },
    ];
  const byChoices = labelled.some(({ answered }) => answered.kind === 'choices');
  if (task.allowsSeveralOutputs === true && task.metrics === undefined && !byChoices)
    return summarisePasses(labelled, common);
  if (labelled.some(({ sample }) => sample.maxPoints !== undefined))
    return [summarisePoints(labelled, common)];
  return metrics.map((metric) => summariseShares(task, labelled, metric, common));
}

type Common = Pick<ResultEntry, 'task' | 'n' | 'missing'>;

function entry(
  common: Common,
  metric: string,
  { score, stderr, interval }: Estimate,
): Omit<ResultEntry, 'groups'> {
  const { task, ...counts } = common;
  return { task, metric, score, ...counts, stderr, confidence_interval: interval };
}

function byGroup(outcomes: readonly Outcome[]): Map<string, Outcome[]> {
  const groups = new Map<string, Outcome[]>();
  for (const outcome of outcomes)
    for (const name of outcome.sample.groups) {
      const own = groups.get(name);
      if (own === undefined) groups.set(name, [outcome]);
      else own.push(outcome);
    }
  return groups;
}

function summariseShares(
  task: Task,
  outcomes: readonly Outcome[],
  metric: string,
  common: Common,
): ResultEntry {
  const aggregation = task.aggregations?.[metric];
  const groups = byGroup(outcomes);
  if (aggregation !== undefined) {
    const estimateOf = (own: readonly Outcome[]): Estimate =>
      aggregation(own.map((each) => gradeOf(each, metric)));
    return {
      ...entry(common, metric, estimateOf(outcomes)),
      groups: Object.fromEntries(
        [...groups].map(([name, own]) => [name, { score: estimateOf(own).score, n: own.length }]),
      ),
    };
  }
  const valuesOf = (own: readonly Outcome[]): number[] => own.map(({ scores }) => scores[metric] ?? 0);
  const names = [...groups.keys()];
  const overSamples = estimateMean(valuesOf(outcomes));
  const means = (task.averages ?? []).map(({ over, groups: choose }) => ({
    over,
    estimate: estimateMeanOfGroups(choose(names).map((name) => valuesOf(groups.get(name) ?? []))),
  }));
  const [first] = means;
  const all = {
    ...Object.fromEntries(means.map(({ over, estimate }) => [over, estimate.score])),
    samples: overSamples.score,
  };
  return {
    ...entry(common, metric, first?.estimate ?? overSamples),
    ...(first !== undefined && { average: first.over, averages: all }),
    groups: Object.fromEntries(
      [...groups].map(([name, own]) => [name, { score: estimateMean(valuesOf(own)).score, n: own.length }]),
    ),
  };
}

function gradeOf({ sample, grade, scores }: Outcome, metric: string): AggregatedGrade {
  return { target: sample.target, extracted: grade.extracted, value: scores[metric] };
}

function summarisePoints(outcomes: readonly Outcome[], common: Common): ResultEntry {
  const sums = (own: readonly Outcome[]): GroupEntry => {
    const points = own.reduce((sum, { grade }) => sum + (grade.points ?? 0), 0);
    const most = own.reduce((sum, { sample }) => sum + (sample.maxPoints ?? 1), 0);
    return { score: points / most, n: own.length, points, max_points: most };
  };
  const { points = 0, max_points = 0 } = sums(outcomes);
  const estimate = estimateRatio(
    outcomes.map(({ grade }) => grade.points ?? 0),
    outcomes.map(({ sample }) => sample.maxPoints ?? 1),
  );
  return {
    ...entry(common, 'points', estimate),
    points,
    max_points,
    groups: Object.fromEntries([...byGroup(outcomes)].map(([name, own]) => [name, sums(own)])),
  };
}

/** Those of the published tables, and as many as there are outputs of every sample. */
const PASSES = [1, 5, 10, 100];

function summarisePasses(outcomes: readonly Outcome[], common: Common): ResultEntry[] {
  const given = outcomes.filter(({ answered }) => answered.kind !== 'missing');
  const fewest = given.length === 0 ? 1 : Math.min(...given.map(({ grade }) => grade.isCorrect.length));
  const ks = [...new Set([...PASSES, fewest])].filter((k) => k <= fewest).sort((a, b) => a - b);
  return ks.map((k) => {
    const valuesOf = (own: readonly Outcome[]): number[] =>
      own.map(({ answered, grade: { isCorrect } }) =>
        answered.kind === 'missing' ? 0 : passAtK(isCorrect.length, isCorrect.filter(Boolean).length, k),
      );
    return {
      ...entry(common, `pass@${k}`, estimateMean(valuesOf(outcomes))),
      groups: Object.fromEntries(
        [...byGroup(outcomes)].map(([name, own]) => [
          name,
          { score: estimateMean(valuesOf(own)).score, n: own.length },
        ]),
      ),
    };
  });
}

/** Which numbers these outcomes give, in the order in which they are shown. */
export function metricsOf({ task, mode }: TaskPlan, outcomes: readonly Outcome[]): string[] {
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
