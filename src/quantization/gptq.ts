/**
 * GPTQ (Frantar et al. 2023, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers"): inputs are rounded
 * one after the other, and what each loses is made good by those that follow, as the outputs of a calibration text want it.
 *
 * Shapes: O outputs, I inputs, G groups of inputs.
 */
import type { IntegerMatrix } from '../formats/index.js';
import { noGrad, ones, operator, scope, type Tensor } from '../tensor/index.js';
import { groupRanges, type RangeRule } from './group-ranges.js';

export interface GptqRule extends RangeRule {
  /** Inputs that share a scale; undefined: all of a row. */
  readonly groupSize: number | undefined;
  /** Inputs in the order of their weight in the outputs, the heaviest first. */
  readonly actOrder: boolean;
  /** Groups hold neighbours though inputs are rounded in another order: files with `g_idx` in order are read faster. */
  readonly staticGroups: boolean;
  /** Added to the diagonal, relative to its mean. Default 0.01. */
  readonly damping?: number | undefined;
}

const argsort = operator('aten::argsort');
const clampInPlace = operator('aten::clamp_');
const roundInPlace = operator('aten::round_');
const addInPlace = operator('aten::add_.Tensor');
const divInPlace = operator('aten::div_.Scalar');
const addOuter = operator('aten::addr_');
const addProduct = operator('aten::addmm_');
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
  return noGrad(() =>
    scope(() => {
      const prepared = prepare(hessian, rule);
      const { alive, order } = prepared;
      const wide = weight.to('float32');
      const exact = wide.mul(alive); // [O, I]
      const places = order?.toArray() ?? Array.from({ length: inFeatures }, (_, place) => place);
      const isStatic = rule.groupSize === undefined || (rule.staticGroups && rule.actOrder);
      // The group of the input at each place: of neighbours in the file, or of those that are rounded together.
      const groupAt = (place: number): number => Math.floor((isStatic ? (places[place] ?? 0) : place) / size);
      // A whole row's range is that of all its weights, those of inputs that are always 0 among them.
      const fixed = isStatic
        ? groupRanges(rule.groupSize === undefined ? wide : exact, size, rule)
        : undefined;
      const found = roundInTurn(exact, prepared, { size, rule, groupAt, fixed });
      const byInput = ones([inFeatures, outFeatures]);
      if (order === undefined) byInput.copy_(found.values);
      else byInput.indexCopy_(0, order, found.values);
      const rounded = {
        values: byInput.transpose(0, 1).contiguous(),
        scales: found.scales,
        zeros: found.zeros,
      };
      const groups = new Int32Array(inFeatures);
      for (const [place, input] of places.entries()) groups[input] = groupAt(place);
      return {
        ...{ outFeatures, inFeatures, bits: rule.bits, groups },
        values: rounded.values.to('uint8').toBytes(),
        scales: rounded.scales.toFloat32Array(),
        zeros: rounded.zeros.to('uint8').toBytes(),
      };
    }),
  );
}

interface Turns {
  readonly size: number;
  readonly rule: GptqRule;
  groupAt(place: number): number;
  /** Ranges [O, G] that are known before; undefined: a group's is taken when its first input comes. */
  readonly fixed: { readonly scales: Tensor; readonly zeros: Tensor } | undefined;
}

/** @param exact [O, I] @returns values [I, O] in the order of rounding, scales and zero points [O, G] */
function roundInTurn(
  exact: Tensor,
  { order, upper }: Prepared,
  { size, rule, groupAt, fixed }: Turns,
): { values: Tensor; scales: Tensor; zeros: Tensor } {
  const [outFeatures = 0, inFeatures = 0] = exact.shape;
  const most = 2 ** rule.bits - 1;
  // An input a row, so that each step works on neighbours in memory.
  const columns = scope(() => {
    const rows = exact.transpose(0, 1).contiguous(); // [I, O]
    return order === undefined ? rows.clone() : rows.indexSelect(0, order);
  });
  const groupCount = Math.ceil(inFeatures / size);
  const scales = ones([groupCount, outFeatures]);
  const zeros = ones([groupCount, outFeatures]);
  if (fixed !== undefined) {
    scales.copy_(fixed.scales.transpose(0, 1));
    zeros.copy_(fixed.zeros.transpose(0, 1));
  }
  const setRange = (group: number): void =>
    scope(() => {
      const start = group * size;
      const members = columns
        .narrow(0, start, Math.min(size, inFeatures - start))
        .transpose(0, 1)
        .contiguous();
      const range = groupRanges(members, size, rule);
      scales.select(0, group).copy_(range.scales.squeeze(-1));
      zeros.select(0, group).copy_(range.zeros.squeeze(-1));
    });
  const values = ones([inFeatures, outFeatures]);
  const losses = ones([BLOCK, outFeatures]);
  for (let start = 0; start < inFeatures; start += BLOCK)
    scope(() => {
      const count = Math.min(BLOCK, inFeatures - start);
      const block = columns.narrow(0, start, count).clone(); // [N, O]
      const corner = upper.narrow(0, start, count).narrow(1, start, count).contiguous(); // [N, N]
      const diagonal = diagonalOf(corner).toArray();
      for (let index = 0; index < count; index++)
        scope(() => {
          const place = start + index;
          // Of weights in which the blocks before are made good, not the columns of this one: as the programs do.
          if (fixed === undefined && place % size === 0) setRange(place / size);
          const group = groupAt(place);
          const [scale, zero] = [scales.select(0, group), zeros.select(0, group)];
          const column = block.select(0, index); // [O]
          const integers = clampInPlace(addInPlace(roundInPlace(column.div(scale)), zero), 0, most);
          values.select(0, place).copy_(integers);
          const loss = losses.select(0, index);
          loss.copy_(column.sub(integers.sub(zero).mul(scale)));
          divInPlace(loss, diagonal[index] ?? 1);
          const behind = count - index - 1;
          if (behind === 0) return;
          addOuter(
            block.narrow(0, index + 1, behind),
            corner.select(0, index).narrow(0, index + 1, behind),
            loss,
            1,
            -1,
          );
        });
      const behind = inFeatures - start - count;
      if (behind === 0) return;
      const factors = upper.narrow(0, start, count).narrow(1, start + count, behind); // [N, I - ...]
      addProduct(
        columns.narrow(0, start + count, behind),
        factors.transpose(0, 1),
        losses.narrow(0, 0, count),
        1,
        -1,
      );
    });
  return { values, scales: scales.transpose(0, 1).contiguous(), zeros: zeros.transpose(0, 1).contiguous() };
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
  const mean = filled.mean().item();
  // A Hessian of few or equal rows needs more than the usual damping.
  for (let damp = damping; damp < 1; damp += damping) {
    try {
      // Freed as soon as they can be: each of these is as large as the Hessian.
      const permuted = scope(() => {
        const damped = wide.clone();
        diagonalOf(damped).copy_(filled.add(damp * mean));
        return order === undefined ? damped : scope(() => damped.indexSelect(0, order)).indexSelect(1, order);
      });
      const inverse = scope(() => choleskyInverse(cholesky(permuted)));
      permuted.dispose();
      const upper = cholesky(inverse, true);
      inverse.dispose();
      if (upper.isfinite().all().item() === 1) return { alive, order, upper };
    } catch (error) {
      if (damp + damping >= 1) throw error;
    }
  }
  throw new RangeError('the Hessian of the calibration is not positive definite, however it is damped');
}
