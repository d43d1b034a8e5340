/**
 * GPTQ (Frantar et al. 2023, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers"): inputs are rounded
 * one after the other, and what each loses is made good by those that follow, as the outputs of a calibration text want it.
 *
 * Shapes: O outputs, I inputs, G groups of inputs.
 */
import type { IntegerMatrix } from '../formats/index.js';
import { type FloatDType, noGrad, ones, operator, scope, type Tensor, where } from '../tensor/index.js';

export interface GptqRule {
  readonly bits: IntegerMatrix['bits'];
  /** Inputs that share a scale; undefined: all of a row. */
  readonly groupSize: number | undefined;
  readonly isSymmetric: boolean;
  /** Inputs in the order of their weight in the outputs, the heaviest first. */
  readonly actOrder: boolean;
  /** Groups hold neighbours though inputs are rounded in another order: files with `g_idx` in order are read faster. */
  readonly staticGroups: boolean;
  /** Of the scales as they are stored. Default float32. */
  readonly scaleDType?: FloatDType | undefined;
  /** Added to the diagonal, relative to its mean. Default 0.01. */
  readonly damping?: number | undefined;
}

const amax = operator('aten::amax');
const amin = operator('aten::amin');
const clamp = operator('aten::clamp');
const round = operator('aten::round');
const argsort = operator('aten::argsort');
const cholesky = operator('aten::linalg_cholesky');
const choleskyInverse = operator('aten::cholesky_inverse');
const diagonalOf = operator('aten::diagonal');

/** Inputs whose losses are made good at once in those behind them. */
const BLOCK = 128;

/**
 * @param weight [O, I] @param hessian [I, I], a multiple of the sum of x x^T over the inputs
 * @throws RangeError where no damping makes the Hessian positive definite
 */
export function gptq(weight: Tensor, hessian: Tensor, rule: GptqRule): IntegerMatrix {
  const [outFeatures = 0, inFeatures = 0] = weight.shape;
  const size = rule.groupSize ?? inFeatures;
  const groupCount = Math.ceil(inFeatures / size);
  return noGrad(() =>
    scope(() => {
      const { alive, order, upper } = prepare(hessian, rule);
      const exact = weight.to('float32').mul(alive); // [O, I]
      const columns = order === undefined ? exact.clone() : exact.indexSelect(1, order);
      const places = order?.toArray() ?? Array.from({ length: inFeatures }, (_, place) => place);
      const isStatic = rule.groupSize === undefined || (rule.staticGroups && rule.actOrder);
      // The group of the input at each place: of neighbours in the file, or of those that are rounded together.
      const groupAt = (place: number): number => Math.floor((isStatic ? (places[place] ?? 0) : place) / size);
      // A whole row's range is that of all its weights, those of inputs that are always 0 among them.
      const source = rule.groupSize === undefined ? weight.to('float32') : isStatic ? exact : columns;
      const scales = ones([outFeatures, groupCount]);
      const zeros = ones([outFeatures, groupCount]);
      const setRange = (group: number): void =>
        scope(() => {
          const start = group * size;
          const range = rangeOf(source.narrow(1, start, Math.min(size, inFeatures - start)), rule);
          scales.narrow(1, group, 1).copy_(range.scale);
          zeros.narrow(1, group, 1).copy_(range.zero);
        });
      if (isStatic) for (let group = 0; group < groupCount; group++) setRange(group);
      const values = ones([outFeatures, inFeatures]);
      const losses = ones([outFeatures, BLOCK]);
      for (let start = 0; start < inFeatures; start += BLOCK)
        scope(() => {
          const count = Math.min(BLOCK, inFeatures - start);
          const block = columns.narrow(1, start, count).clone(); // [O, N]
          const corner = upper.narrow(0, start, count).narrow(1, start, count).contiguous(); // [N, N]
          const diagonal = Array.from({ length: count }, (_, index) =>
            corner.select(0, index).select(0, index).item(),
          );
          for (let index = 0; index < count; index++)
            scope(() => {
              const place = start + index;
              // Of weights in which the blocks before are made good, not the columns of this one: as the programs do.
              if (!isStatic && place % size === 0) setRange(place / size);
              const group = groupAt(place);
              const scale = scales.narrow(1, group, 1);
              const zero = zeros.narrow(1, group, 1);
              const column = block.narrow(1, index, 1); // [O, 1]
              const integers = clamp(round(column.div(scale)).add(zero), 0, 2 ** rule.bits - 1);
              values.narrow(1, place, 1).copy_(integers);
              const loss = column.sub(integers.sub(zero).mul(scale)).div(diagonal[index] ?? 1);
              const rest = block.narrow(1, index, count - index);
              rest.copy_(rest.sub(loss.mul(corner.narrow(0, index, 1).narrow(1, index, count - index))));
              losses.narrow(1, index, 1).copy_(loss);
            });
          const behind = inFeatures - start - count;
          if (behind === 0) return;
          const rest = columns.narrow(1, start + count, behind);
          const update = losses
            .narrow(1, 0, count)
            .matmul(upper.narrow(0, start, count).narrow(1, start + count, behind));
          rest.copy_(rest.sub(update));
        });
      const byInput = ones([outFeatures, inFeatures]);
      for (const [place, input] of order === undefined ? [] : places.entries())
        scope(() => {
          byInput.narrow(1, input, 1).copy_(values.narrow(1, place, 1));
        });
      const groups = new Int32Array(inFeatures);
      for (const [place, input] of places.entries()) groups[input] = groupAt(place);
      return {
        ...{ outFeatures, inFeatures, bits: rule.bits, groups },
        values: (order === undefined ? values : byInput).to('uint8').toBytes(),
        scales: scales.toFloat32Array(),
        zeros: zeros.to('uint8').toBytes(),
      };
    }),
  );
}

interface Prepared {
  /** 0 for inputs that are always 0 in the calibration, else 1. [I] */
  readonly alive: Tensor;
  /** int64 [I]: the input at each place; undefined: each at its own. */
  readonly order: Tensor | undefined;
  /** Upper factor of the inverse Hessian, in that order. [I, I] */
  readonly upper: Tensor;
}

function prepare(hessian: Tensor, { actOrder, damping = 0.01 }: GptqRule): Prepared {
  const wide = hessian.to('float32');
  const diagonal = diagonalOf(wide); // [I]
  const alive = ones(diagonal.shape).sub(diagonal.eq(0).to('float32'));
  const filled = diagonal.add(ones(diagonal.shape).sub(alive));
  const order = actOrder ? argsort(filled, 0, true) : undefined;
  const ordered = wide.clone();
  diagonalOf(ordered).copy_(filled);
  const permuted = order === undefined ? ordered : ordered.indexSelect(0, order).indexSelect(1, order);
  const mean = filled.mean().item();
  // A Hessian of few or equal rows needs more than the usual damping.
  for (let damp = damping; damp < 1; damp += damping) {
    try {
      const damped = permuted.clone();
      diagonalOf(damped).copy_(diagonalOf(permuted).add(damp * mean));
      const upper = cholesky(choleskyInverse(cholesky(damped)), true);
      if (upper.isfinite().all().item() === 1) return { alive, order, upper };
    } catch (error) {
      if (damp + damping >= 1) throw error;
    }
  }
  throw new RangeError('the Hessian of the calibration is not positive definite, however it is damped');
}

/** Scales and zero points [O, 1] of a group [O, N]. */
function rangeOf(
  group: Tensor,
  { bits, isSymmetric, scaleDType = 'float32' }: GptqRule,
): { scale: Tensor; zero: Tensor } {
  const most = 2 ** bits - 1;
  const least = clamp(amin(group, [1], true), null, 0);
  const largest = clamp(amax(group, [1], true), 0);
  const reach = where(largest.gt(least.neg()), largest, least.neg());
  const [low, high] = isSymmetric ? [reach.neg(), reach] : [least, largest];
  const isZero = high.sub(low).eq(0);
  const one = ones(low.shape);
  // A group of zeros has any range.
  const width = where(isZero, one.add(one), high.sub(low));
  const stored = width.div(most).to(scaleDType).to('float32');
  // Weights so small that their scale becomes 0 are zeros: the least number of 16 bits divides as well.
  const scale = where(stored.ne(0), stored, one.mul(2 ** -24));
  const zero = isSymmetric
    ? one.mul((most + 1) / 2)
    : clamp(round(where(isZero, one, low.neg()).div(scale)), 0, most);
  return { scale, zero };
}
