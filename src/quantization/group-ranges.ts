/**
 * Scales and zero points of groups of inputs, from the least to the largest weight of each.
 *
 * Shapes: O outputs, I inputs, G groups, N inputs of a group.
 */
import type { Bits } from '../formats/index.js';
import { type FloatDType, ones, operator, scope, type Tensor, where, zeros } from '../tensor/index.js';

const amax = operator('aten::amax');
const amin = operator('aten::amin');
const clamp = operator('aten::clamp');
const round = operator('aten::round');

export interface RangeRule {
  readonly bits: Bits;
  readonly isSymmetric: boolean;
  /** Of the scales as they are stored. Default float32. */
  readonly scaleDType?: FloatDType | undefined;
}

export interface GroupRanges {
  /** [O, G] */
  readonly scales: Tensor;
  /** [O, G], whole numbers. */
  readonly zeros: Tensor;
}

/** @param weight [O, I] float32 @param size inputs of a group; the last may be short */
export function groupRanges(weight: Tensor, size: number, rule: RangeRule): GroupRanges {
  return scope(() => {
    const groups = inGroups(weight, size); // [O, G, N]
    const low = clamp(amin(groups, [-1], true), null, 0); // [O, G, 1]
    const high = clamp(amax(groups, [-1], true), 0);
    const { scales, zeros: middles } = rangeOf(low, high, rule);
    return { scales: scales.squeeze(-1), zeros: middles.squeeze(-1) };
  });
}

/** Inputs that lack in a last group are zeros, which widen no range. [O, I] -> [O, G, N] */
export function inGroups(weight: Tensor, size: number): Tensor {
  const [outFeatures = 0, inFeatures = 0] = weight.shape;
  const count = Math.ceil(inFeatures / size);
  if (count * size === inFeatures) return weight.reshape([outFeatures, count, size]);
  const padded = zeros([outFeatures, count * size], { dtype: weight.dtype });
  padded.narrow(1, 0, inFeatures).copy_(weight);
  return padded.reshape([outFeatures, count, size]);
}

/** Of groups whose weights reach from `low` to `high`, zero among them. */
function rangeOf(
  low: Tensor,
  high: Tensor,
  { bits, isSymmetric, scaleDType = 'float32' }: RangeRule,
): GroupRanges {
  return scope(() => {
    const most = 2 ** bits - 1;
    const reach = where(high.gt(low.neg()), high, low.neg());
    const [from, to] = isSymmetric ? [reach.neg(), reach] : [low, high];
    const isZero = to.sub(from).eq(0);
    const one = ones(low.shape);
    // A group of zeros has any range.
    const width = where(isZero, one.add(one), to.sub(from));
    const stored = width.div(most).to(scaleDType).to('float32');
    // Weights so small that their scale becomes 0 are zeros: the least number of 16 bits divides as well.
    const scales = where(stored.ne(0), stored, one.mul(2 ** -24));
    const middles = isSymmetric
      ? one.mul((most + 1) / 2)
      : clamp(round(where(isZero, one, from.neg()).div(scales)), 0, most);
    return { scales, zeros: middles };
  });
}
