/** Next-token cross-entropy. Shapes: B batch, T tokens, V vocabulary. */
import { operator, type Tensor } from '../tensor/index.js';

const crossEntropy = operator('aten::cross_entropy_loss');

/**
 * Sum over the targets of weight * -log p(target), computed in float32 at least.
 * @param logits [B, T, V] @param targets int64 [B, T] @param weights [B, T]
 */
export function weightedCrossEntropySum(logits: Tensor, targets: Tensor, weights: Tensor): Tensor {
  const wide = logits.dtype === 'float64' ? logits : logits.to('float32');
  const losses = crossEntropy(wide.reshape([-1, wide.size(-1)]), targets.reshape([-1]), undefined, 0);
  return losses.mul(weights.reshape([-1])).sum();
}
