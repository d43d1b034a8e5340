/** Targets and loss weights of a batch. Shapes: B batch, T tokens. */
import type { CausalLm } from '../../models/index.js';
import { cat, type Tensor } from '../../tensor/index.js';
import type { TrainingBatch } from './segments.js';

/**
 * - target: the prediction of token t + 1 counts loss_mask[t + 1]; divisor: their sum
 * - input: it counts loss_mask[t], the mask of the token that it is made from, as Spark's published loss does;
 *   divisor: their sum + 1e-5
 */
export type LossAlignment = 'target' | 'input';

/**
 * @param ids int64 [B, T] @param lossMask [B, T], in the dtype of the loss
 * @param readsLast the model reads the last token as well, though nothing is predicted of it: a loss may count how it was routed
 * @returns the batch of T - 1 predictions
 */
export function trainingBatch(
  ids: Tensor,
  lossMask: Tensor,
  alignment: LossAlignment = 'target',
  readsLast = false,
): TrainingBatch {
  const predictions = ids.size(1) - 1;
  const weights = lossMask.narrow(1, alignment === 'target' ? 1 : 0, predictions);
  if (readsLast) {
    const nothing = weights.narrow(1, 0, 1).mul(0);
    return {
      inputIds: ids,
      targets: cat([ids.narrow(1, 1, predictions), ids.narrow(1, 0, 1)], 1),
      weights: cat([weights, nothing], 1),
    };
  }
  return {
    inputIds: ids.narrow(1, 0, predictions),
    targets: ids.narrow(1, 1, predictions).contiguous(),
    weights,
  };
}

/** What each prediction of a batch counts [rows, length - 1]. @param mask [rows, length], both row by row */
export function predictionWeights(
  mask: Float32Array,
  [rows, length]: readonly [number, number],
  alignment: LossAlignment = 'target',
): Float32Array {
  const from = alignment === 'target' ? 1 : 0;
  const predictions = length - 1;
  const weights = new Float32Array(rows * predictions);
  for (let row = 0; row < rows; row++) {
    const start = row * length + from;
    weights.set(mask.subarray(start, start + predictions), row * predictions);
  }
  return weights;
}

/** The sum of what the predictions of a batch count. @param mask [B, L] row by row */
export function learnedWeight(
  mask: Float32Array,
  shape: readonly [number, number],
  alignment: LossAlignment = 'target',
): number {
  return predictionWeights(mask, shape, alignment).reduce((sum, weight) => sum + weight, 0);
}

/** Does the load-balancing loss of its experts count the last token of a row, as it does in transformers? */
export function readsLastToken({ balanceLossFactor }: Pick<CausalLm, 'balanceLossFactor'>): boolean {
  return balanceLossFactor !== undefined;
}

/** What makes a mean of the weighted sum of a batch. */
export function lossDivisor(learned: number, alignment: LossAlignment = 'target'): number {
  return learned + (alignment === 'input' ? 1e-5 : 0);
}
