/**
 * How probable a model finds given continuations: the measure behind multiple choice.
 *
 * Shapes: B batch, T tokens.
 */
import { NonFiniteError } from '../errors/index.js';
import type { CausalLm } from '../models/index.js';
import { intTensor, noGrad, scope } from '../tensor/index.js';

export interface Continuation {
  /** At least one id. */
  readonly context: readonly number[];
  readonly continuation: readonly number[];
}

export interface LogLikelihoodOptions {
  /** Sequences per forward pass. Default 32. */
  readonly batchSize?: number;
  readonly onProgress?: (done: number) => void;
}

/**
 * Sum over the continuation of log p(token | all before it), in nats, for each item in order.
 * @throws NonFiniteError if a sum is not a number
 */
export function logLikelihoods(
  model: CausalLm,
  items: readonly Continuation[],
  { batchSize = 32, onProgress }: LogLikelihoodOptions = {},
): number[] {
  const bare = items.findIndex(({ context }) => context.length === 0);
  if (bare >= 0) throw new RangeError(`item ${bare} has no context to predict its first token from`);
  // Rows of like length share a batch: less padding.
  const order = items.map((_, index) => index).sort((a, b) => lengthOf(items[a]) - lengthOf(items[b]));
  const results = new Array<number>(items.length).fill(0);
  for (let start = 0; start < order.length; start += batchSize) {
    const chosen = order.slice(start, start + batchSize);
    const batch = chosen.flatMap((index) => items[index] ?? []);
    for (const [place, sum] of scoreBatch(model, batch).entries()) {
      if (Number.isNaN(sum)) throw new NonFiniteError('evaluation: a log-likelihood is NaN.');
      results[chosen[place] ?? 0] = sum;
    }
    onProgress?.(Math.min(start + batchSize, order.length));
  }
  return results;
}

function lengthOf(item: Continuation | undefined): number {
  return item === undefined ? 0 : item.context.length + item.continuation.length;
}

function scoreBatch(model: CausalLm, batch: readonly Continuation[]): number[] {
  return noGrad(() =>
    scope(() => {
      const rows = batch.map(({ context, continuation }) => [...context, ...continuation]);
      const length = Math.max(...rows.map((row) => row.length));
      // Padding stands on the right, where causal attention keeps it from everything that is counted.
      const ids = intTensor(
        rows.flatMap((row) => [...row, ...new Array<number>(length - row.length).fill(0)]),
        [rows.length, length],
        { device: model.device },
      );
      const counted = intTensor(
        batch.flatMap(({ context, continuation }) =>
          Array.from({ length: length - 1 }, (_, index) => {
            const target = index + 1;
            return target >= context.length && target < context.length + continuation.length ? 1 : 0;
          }),
        ),
        [rows.length, length - 1],
        { device: model.device },
      );
      const logits = model.forward(ids.narrow(1, 0, length - 1)); // [B, T - 1, V]
      const targets = ids.narrow(1, 1, length - 1).unsqueeze(-1); // [B, T - 1, 1]
      const logProbs = logits.logSoftmax(-1, 'float32').gather(-1, targets).squeeze(-1); // [B, T - 1]
      return logProbs.mul(counted).sum([1]).toArray();
    }),
  );
}
