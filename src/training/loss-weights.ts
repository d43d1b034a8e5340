/** Which token is predicted from which, and what each prediction counts. Shapes: B batch, T tokens. */
import type { Tensor } from '../tensor/index.js';
import type { TrainingBatch } from './segments.js';

/**
 * - target: the prediction of token t + 1 counts loss_mask[t + 1]; divisor: their sum
 * - input: it counts loss_mask[t], the mask of the token that it is made from, as Spark's published loss does;
 *   divisor: their sum + 1e-5
 */
export type LossAlignment = 'target' | 'input';

/**
 * @param ids int64 [B, T] @param lossMask [B, T], in the dtype of the loss
 * @returns the batch of T - 1 predictions, and the divisor that makes a mean of its weighted sum
 */
export function trainingBatch(
  ids: Tensor,
  lossMask: Tensor,
  alignment: LossAlignment = 'target',
): TrainingBatch & { readonly divisor: number } {
  const predictions = ids.size(1) - 1;
  const weights = lossMask.narrow(1, alignment === 'target' ? 1 : 0, predictions);
  return {
    inputIds: ids.narrow(1, 0, predictions),
    targets: ids.narrow(1, 1, predictions).contiguous(),
    weights,
    divisor: weights.sum().item() + (alignment === 'input' ? 1e-5 : 0),
  };
}
