/**
 * Cross-entropy of logits that are split over the processes by their vocabulary. Two numbers for each token are exchanged, the
 * greatest sum of exponentials and the sum of them all, and for all tokens together the sum of their targets' logits.
 *
 * Shapes: N predictions, v logits of this process.
 */
import { noGrad, operator, type Tensor } from '../../tensor/index.js';
import type { TensorGroup } from './tensor-group.js';

const logSums = operator('xinghe::log_sums');
const weightedTargetSum = operator('xinghe::weighted_target_sum');
const atLeast = operator('aten::ge.Scalar');
const below = operator('aten::lt.Scalar');
const anyOf = operator('aten::any');

/** What of the vocabulary this process has. */
export interface VocabularyPart {
  readonly group: TensorGroup;
  /** The id of its first logit. */
  readonly start: number;
  /** Ids in all. */
  readonly vocabSize: number;
}

/**
 * Sum over the targets of weight * -log p(target), in float32 at least; the same on every process.
 * @param logits [..., v] @param targets int64 [...] @param weights [...], those of 0 are not read
 * Throws RangeError for a target that is no id.
 */
export function vocabularyCrossEntropySum(
  logits: Tensor,
  targets: Tensor,
  weights: Tensor,
  { group, start, vocabSize }: VocabularyPart,
): Tensor {
  const rows = logits.reshape([-1, logits.size(-1)]);
  const flatWeights = weights.reshape([-1]).to(logits.dtype === 'float64' ? 'float64' : 'float32');
  const { places, all, allSum } = noGrad(() => {
    // What a row of weight 0 has for a target, nobody asks.
    const ids = targets.reshape([-1]).maskedFill(flatWeights.eq(0), start);
    if (isTrue(anyOf(atLeast(ids, vocabSize))) || isTrue(anyOf(below(ids, 0))))
      throw new RangeError(`cross-entropy: a target is no id of a vocabulary of ${vocabSize}`);
    const sums = logSums(rows, flatWeights); // [N]
    const greatest = group.max(sums.clone());
    const all = group.sum(sums.sub(greatest).exp()).log().add(greatest); // [N]
    return { places: ids.sub(start), all, allSum: all.mul(flatWeights).sum() };
  });
  return group.sum(weightedTargetSum(rows, places, flatWeights, all)).add(allSum);
}

function isTrue(value: Tensor): boolean {
  return value.to('int64').item() !== 0;
}
