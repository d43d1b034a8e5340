/** What a step adds up over all ranks; of a run of one process, what it has itself. */
import type { Row } from '../../data/index.js';
import { type LossDivisors, MetricMeans, type ObjectiveBatch } from '../objective/objective.js';
import type { SharedStep } from './shared-step.js';

export interface StepTotals {
  readonly divisors: LossDivisors;
  /** Sum of the weights of what is learned; 0: there is nothing. */
  readonly learned: number;
  /** Tokens read, padding apart. */
  readonly tokens: number;
  /** Micro-batches of the ranks before this one. */
  readonly before: number;
  /** Micro-batches of the rank that has most. */
  readonly count: number;
}

/** @param own micro-batches of this rank @param rows theirs */
export function countStep(
  shared: SharedStep | undefined,
  own: readonly ObjectiveBatch[],
  rows: readonly (readonly Row[])[],
): StepTotals {
  const here = [
    sum(own.map(({ divisors }) => divisors.tokens)),
    sum(own.map(({ divisors }) => divisors.records)),
    sum(own.map(({ learned }) => learned)),
    sum(rows.map(tokensOf)),
    own.length,
  ];
  const all = shared?.gatherNumbers(here) ?? [here];
  const column = (place: number): number[] => all.map((values) => values[place] ?? 0);
  return {
    divisors: { tokens: sum(column(0)), records: sum(column(1)) },
    learned: sum(column(2)),
    tokens: sum(column(3)),
    before: sum(column(4).slice(0, shared?.rank ?? 0)),
    count: Math.max(...column(4)),
  };
}

/** @param value on the last stage of the model; 0 on the others */
export function sumOverRanks(shared: SharedStep | undefined, value: number): number {
  if (shared === undefined) return value;
  return shared.sumOverStages(sum(shared.gatherNumbers([value]).map(([part = Number.NaN]) => part)));
}

export function meansOverRanks(
  shared: SharedStep | undefined,
  metrics: MetricMeans,
): Readonly<Record<string, number>> | undefined {
  if (shared === undefined) return metrics.means();
  const all = new MetricMeans();
  for (const sums of shared.gatherMetrics(metrics.sums())) all.add(sums);
  return all.means();
}

export function tokensOf(rows: readonly Row[]): number {
  return sum(rows.map(({ ids }) => ids.length));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
