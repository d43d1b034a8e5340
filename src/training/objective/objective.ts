/**
 * What a run learns by: rows become the batch that a model reads, and the output of its last segment becomes a loss.
 * Trainer, segments and loop know this interface and none of its formulas.
 */
import type { Row } from '../../data/index.js';
import type { CausalLm } from '../../models/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { ModelInput } from '../step/segments.js';

export interface Objective {
  /** Lays out a micro-batch in plain arrays; no tensor is made yet. */
  arrange(rows: readonly Row[]): ObjectiveBatch;
}

/** What the sums of a loss are divided by, added up over all micro-batches of a step. */
export interface LossDivisors {
  /** Learned tokens by their weights. */
  readonly tokens: number;
  readonly records: number;
}

export interface ObjectiveBatch {
  /** Sum of the weights of what is learned; 0: there is nothing. */
  readonly learned: number;
  readonly divisors: LossDivisors;
  /**
   * On the model's device; call inside a scope that outlives the backward pass.
   * @param compute for whatever else is computed with the model. Default: as a process that is alone does
   */
  prepare(model: CausalLm, compute?: ComputeOutput): PreparedBatch;
}

/** What the model's last segment gives, outside of any graph; undefined: another rank has that segment, and the loss. */
export type ComputeOutput = (input: ModelInput) => Tensor | undefined;

export interface PreparedBatch {
  readonly inputIds: Tensor; // int64 [R, T]
  /** Lengths of the documents in each row, where each is read on its own; undefined: a row is one text. */
  readonly documents?: readonly (readonly number[])[] | undefined;
  /** Ids of each row that are no padding, which stands behind them; undefined: all. */
  readonly lengths?: readonly number[] | undefined;
  /** @param output of the model's last segment: logits [R, T, V], or scores [R, T, 1] of a reward model */
  sums(output: Tensor): LossSums;
}

/** The loss of a step is perToken / divisors.tokens + perRecord / divisors.records, each summed over its micro-batches. */
export interface LossSums {
  readonly perToken?: Tensor | undefined; // []
  readonly perRecord?: Tensor | undefined; // []
  readonly metrics?: readonly MetricSum[] | undefined;
}

/** A part of a mean. */
export interface MetricSum {
  /** As TRL calls it: rewards/chosen, logps/rejected, … */
  readonly name: string;
  readonly sum: number;
  readonly count: number;
}

/** Means by name over whatever was added; what nothing was added to is left out. */
export class MetricMeans {
  readonly #sums = new Map<string, { sum: number; count: number }>();

  add(metrics: readonly MetricSum[] = []): void {
    for (const { name, sum, count } of metrics) {
      if (count === 0) continue;
      const known = this.#sums.get(name);
      this.#sums.set(name, { sum: (known?.sum ?? 0) + sum, count: (known?.count ?? 0) + count });
    }
  }

  /** What was added, by name. */
  sums(): MetricSum[] {
    return [...this.#sums].map(([name, { sum, count }]) => ({ name, sum, count }));
  }

  /** undefined where there are none, as in a run that learns by cross-entropy. */
  means(): Readonly<Record<string, number>> | undefined {
    if (this.#sums.size === 0) return undefined;
    const means = Object.fromEntries([...this.#sums].map(([name, { sum, count }]) => [name, sum / count]));
    const { 'rewards/chosen': chosen, 'rewards/rejected': rejected } = means;
    // Of answers that are judged one by one, the margin is that of the means.
    return chosen === undefined || rejected === undefined || 'rewards/margins' in means
      ? means
      : { ...means, 'rewards/margins': chosen - rejected };
  }
}

/** The loss of a micro-batch as its part of a step's. @param divisors of the whole step @param scale of the loss */
export function stepLoss({ perToken, perRecord }: LossSums, divisors: LossDivisors, scale: number): Tensor {
  const tokens = perToken?.mul(scale / divisors.tokens);
  const records = perRecord?.mul(scale / divisors.records);
  if (tokens !== undefined && records !== undefined) return tokens.add(records);
  const only = tokens ?? records;
  if (only === undefined) throw new TypeError('an objective without a loss');
  return only;
}
