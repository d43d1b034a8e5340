/**
 * Cross-entropy of logits that are split over the processes by their vocabulary. Three numbers for each token are exchanged: the
 * greatest logit, the sum of exponentials, the target's logit.
 *
 * Shapes: N predictions, v logits of this process.
 */
import { noGrad, operator, type Tensor } from '../../tensor/index.js';
import type { TensorGroup } from './tensor-group.js';

const logSumExp = operator('aten::logsumexp');
const logicalAnd = operator('aten::logical_and');
const clamp = operator('aten::clamp');
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
  const own = logits.size(-1);
  const flatWeights = weights.reshape([-1]);
  const skipped = flatWeights.eq(0);
  const ids = targets.reshape([-1]).maskedFill(skipped, 0);
  if (isTrue(anyOf(atLeast(ids, vocabSize))) || isTrue(anyOf(below(ids, 0))))
    throw new RangeError(`cross-entropy: a target is no id of a vocabulary of ${vocabSize}`);
  const wide = logits.reshape([-1, own]).to(logits.dtype === 'float64' ? 'float64' : 'float32');
  // A row of weight 0 is not read: neither its target nor logits that are not finite.
  const rows = isTrue(anyOf(skipped)) ? wide.maskedFill(skipped.unsqueeze(-1), 0) : wide; // [N, v]
  const sums = logSumExp(rows, [1]); // [N]
  const greatest = noGrad(() => group.max(sums.detach().clone()));
  const all = group.sum(sums.sub(greatest).exp()).log().add(greatest); // [N]
  const places = ids.sub(start);
  const isOwn = logicalAnd(logicalAnd(atLeast(places, 0), below(places, own)), skipped.logicalNot());
  const found = rows.gather(1, clamp(places, 0, own - 1).unsqueeze(1)).squeeze(1);
  const target = group.sum(found.maskedFill(isOwn.logicalNot(), 0)); // [N]
  return all.sub(target).maskedFill(skipped, 0).mul(flatWeights).sum();
}

function isTrue(value: Tensor): boolean {
  return value.to('int64').item() !== 0;
}
