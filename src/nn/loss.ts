/** Next-token cross-entropy. Shapes: B batch, T tokens, V vocabulary. */
import { operator, type Tensor } from '../tensor/index.js';

const weightedCrossEntropy = operator('xinghe::weighted_cross_entropy');

/**
 * Sum over the targets of weight * -log p(target), computed in float32 at least.
 * @param logits [B, T, V] @param targets int64 [B, T] @param weights [B, T]
 */
export function weightedCrossEntropySum(logits: Tensor, targets: Tensor, weights: Tensor): Tensor {
  return weightedCrossEntropy(
    logits.reshape([-1, logits.size(-1)]),
    targets.reshape([-1]),
    weights.reshape([-1]),
  );
}
