/**
 * Weights to the nearest integers, by row or by group of inputs.
 *
 * Shapes: O outputs, I inputs, G groups, N inputs of a group.
 */
import type { Bits, IntegerMatrix } from '../formats/index.js';
import { groupsInOrder } from '../formats/index.js';
import {
  empty,
  type FloatDType,
  noGrad,
  ones,
  operator,
  scope,
  type Tensor,
  where,
} from '../tensor/index.js';
import { inGroups } from './group-ranges.js';

const amax = operator('aten::amax');
const amin = operator('aten::amin');
const clamp = operator('aten::clamp');
const round = operator('aten::round');

export interface RoundingRule {
  readonly bits: Bits;
  /** Inputs that share a scale; undefined: all of a row. */
  readonly groupSize: number | undefined;
  /**
   * The range that the integers stand for. published: as XVERSE's quantize(bits), max |w| on either side, scales in the dtype of
   * the weight; symmetric: the same, with the extreme on the side that has one integer more; asymmetric: from the least to the
   * largest weight, zero among them; awq: likewise, with zero among them only by chance, as AutoAWQ does.
   */
  readonly range: 'published' | 'symmetric' | 'asymmetric' | 'awq';
  /** Of the scales as they are stored. Default: the weight's; 16-bit ones are rounded before the integers are chosen. */
  readonly scaleDType?: FloatDType | undefined;
  /** Ranges are narrowed by up to a fifth where that makes the sum of squared errors less. Default false. */
  readonly searchRange?: boolean | undefined;
}

/** Weights that are rounded at a time: what is computed between fits the caches, and no second copy of a large matrix exists. */
const PIECE = 2 ** 18;

/** @param weight [O, I] of any float dtype @returns scales exactly as stored */
export function roundToNearest(weight: Tensor, rule: RoundingRule): IntegerMatrix {
  const { bits, groupSize } = rule;
  const [outFeatures = 0, inFeatures = 0] = weight.shape;
  const size = groupSize ?? inFeatures;
  const count = Math.ceil(inFeatures / size);
  const values = new Uint8Array(outFeatures * inFeatures);
  const scales = new Float32Array(outFeatures * count);
  const zeros = new Uint8Array(outFeatures * count);
  byRows(weight, rule, (rounded, row, rows) => {
    const integers = rounded.values.reshape([rows, count * size]).narrow(1, 0, inFeatures);
    values.set(bytesOf(integers.to('uint8')), row * inFeatures);
    scales.set(rounded.scales.to('float32').toFloat32Array(), row * count);
    zeros.set(bytesOf(rounded.zeros.to('uint8')), row * count);
  });
  const groups = groupsInOrder(inFeatures, size);
  return { outFeatures, inFeatures, bits, groups, values, scales, zeros };
}

/** The weight that its integers stand for. @param weight [O, I] @returns float32 [O, I] */
export function roundedWeight(weight: Tensor, rule: RoundingRule): Tensor {
  return scope(() => {
    const [outFeatures = 0, inFeatures = 0] = weight.shape;
    const whole = empty([outFeatures, inFeatures]);
    byRows(weight, rule, ({ values, scales, zeros }, row, rows) => {
      const wide = values.to('float32').sub(zeros.unsqueeze(-1)).mul(scales.to('float32').unsqueeze(-1));
      whole.narrow(0, row, rows).copy_(wide.reshape([rows, -1]).narrow(1, 0, inFeatures));
    });
    return whole;
  });
}

/** @param use told of so many rows from `row` on */
function byRows(
  weight: Tensor,
  rule: RoundingRule,
  use: (rounded: RoundedGroups, row: number, rows: number) => void,
): void {
  const [outFeatures = 0, inFeatures = 0] = weight.shape;
  const most = Math.max(1, Math.floor(PIECE / inFeatures));
  for (let row = 0; row < outFeatures; row += most)
    noGrad(() =>
      scope(() => {
        const rows = Math.min(most, outFeatures - row);
        const groups = inGroups(weight.narrow(0, row, rows), rule.groupSize ?? inFeatures); // [O, G, N]
        use(rule.range === 'published' ? published(groups, rule.bits) : rounded(groups, rule), row, rows);
      }),
    );
}

/** What a rule makes of groups [O, G, N]: integers [O, G, N] from 0, scales and zero points [O, G]. */
interface RoundedGroups {
  readonly values: Tensor;
  readonly scales: Tensor;
  readonly zeros: Tensor;
}

/** In the arithmetic of the weight's dtype, as the published code runs; a group of zeros has the scale 0. */
function published(groups: Tensor, bits: Bits): RoundedGroups {
  const middle = 2 ** (bits - 1);
  const scales = amax(groups.abs(), [-1], true).div(middle - 1); // [O, G, 1]
  const quotients = round(groups.div(scales));
  const values = where(scales.ne(0), quotients, fullLike(scales, 0)).to('float32').add(middle);
  return withoutLast(values, scales, fullLike(scales, middle));
}

/** From the whole range down to four fifths of it. */
const SHRINKS = Array.from({ length: 20 }, (_, step) => 1 - step / 100);

function rounded(groups: Tensor, rule: RoundingRule): RoundedGroups {
  const wide = groups.to('float32');
  const first = roundedTo(wide, 1, rule);
  if (rule.searchRange !== true) return withoutLast(...first);
  let best = first;
  let bestError = errorOf(wide, first);
  for (const shrink of SHRINKS.slice(1)) {
    const next = roundedTo(wide, shrink, rule);
    const error = errorOf(wide, next);
    const isBetter = error.lt(bestError); // [O, G, 1]
    best = [
      where(isBetter, next[0], best[0]),
      where(isBetter, next[1], best[1]),
      where(isBetter, next[2], best[2]),
    ];
    bestError = where(isBetter, error, bestError);
  }
  return withoutLast(...best);
}

/** [O, G, N], and [O, G, 1] twice. */
type Rounded = readonly [values: Tensor, scales: Tensor, zeros: Tensor];

/** Sum of squared errors of each group. @returns [O, G, 1] */
function errorOf(groups: Tensor, [values, scales, zeros]: Rounded): Tensor {
  const differences = values.sub(zeros).mul(scales).sub(groups);
  return differences.mul(differences).sum([-1], true);
}

function roundedTo(groups: Tensor, shrink: number, { bits, range, scaleDType }: RoundingRule): Rounded {
  const [most, middle] = [2 ** bits - 1, 2 ** (bits - 1)];
  const [least, largest] = [amin(groups, [-1], true), amax(groups, [-1], true)];
  const holdsZero = range !== 'awq';
  const low = (holdsZero ? clamp(least, null, 0) : least).mul(shrink); // [O, G, 1]
  const high = (holdsZero ? clamp(largest, 0) : largest).mul(shrink);
  // The side that reaches further gets the integer that only one side has.
  const extreme = where(high.gt(low.neg()), high, low);
  const exact =
    range === 'symmetric'
      ? extreme.div(-middle)
      : (range === 'awq' ? clamp(high.sub(low), 1e-5) : high.sub(low)).div(most);
  const scales = scaleDType === undefined ? exact : exact.to(scaleDType).to('float32');
  const divisor = where(scales.ne(0), scales, fullLike(scales, 1));
  const zeros =
    range === 'symmetric' ? fullLike(scales, middle) : clamp(round(low.neg().div(divisor)), 0, most);
  const values = clamp(round(groups.div(divisor)).add(zeros), 0, most);
  return [where(scales.ne(0), values, zeros), scales, zeros];
}

function withoutLast(values: Tensor, scales: Tensor, zeros: Tensor): RoundedGroups {
  return { values, scales: scales.squeeze(-1), zeros: zeros.squeeze(-1) };
}

function fullLike(tensor: Tensor, value: number): Tensor {
  return ones(tensor.shape).mul(value);
}

function bytesOf(tensor: Tensor): Uint8Array {
  return tensor.contiguous().toBytes();
}
