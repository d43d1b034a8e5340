/**
 * Activation-aware scaling (Lin et al. 2023, "AWQ: Activation-aware Weight Quantization"): inputs that weigh much in the outputs are made
 * smaller before a matrix and their weights larger, so that rounding loses less of them.
 *
 * Shapes: O outputs, I inputs.
 */
import { empty, ones, operator, scope, type Tensor, where } from '../tensor/index.js';
import { inGroups } from './group-ranges.js';

const amax = operator('aten::amax');
const clamp = operator('aten::clamp');
const power = operator('aten::pow.Tensor_Scalar');

/** Exponents of the magnitude that are tried, the first of equals being taken. */
export const SCALE_EXPONENTS: readonly number[] = Array.from({ length: 20 }, (_, step) => step / 20);

/** Rows that are looked at together. */
const ROWS = 256;

/** Mean over the rows of |w|, relative to the largest of its group. @param weights [O, I] each, one below the other @returns [I] */
export function relativeMagnitude(weights: readonly Tensor[], groupSize: number | undefined): Tensor {
  return scope(() => {
    const inFeatures = weights[0]?.size(1) ?? 0;
    const rows = weights.reduce((sum, weight) => sum + weight.size(0), 0);
    const relative = empty([rows, inFeatures]);
    let filled = 0;
    for (const weight of weights)
      for (let row = 0; row < weight.size(0); row += ROWS)
        scope(() => {
          const count = Math.min(ROWS, weight.size(0) - row);
          const groups = inGroups(weight.narrow(0, row, count).abs(), groupSize ?? inFeatures); // [O, G, N]
          const own = groups.div(amax(groups, [-1], true).add(1e-6)).reshape([count, -1]);
          relative.narrow(0, filled, count).copy_(own.narrow(1, 0, inFeatures));
          filled += count;
        });
    return relative.mean([0]);
  });
}

/**
 * x^r / (w^(1 - r) + 1e-4), at least 1e-4, over the geometric middle of the least and the largest.
 * @param activations [I]: mean |x| of each input @param weights [I], by `relativeMagnitude`
 * @returns [I]: by which weights are multiplied and inputs divided
 */
export function activationScales(activations: Tensor, weights: Tensor, exponent: number): Tensor {
  return scope(() => {
    const raw = power(activations, exponent).div(power(weights, 1 - exponent).add(1e-4));
    const scales = clamp(raw, 1e-4);
    const middle = Math.sqrt(scales.max().item() * scales.min().item());
    const normal = scales.div(middle);
    return where(normal.isfinite(), normal, ones(normal.shape));
  });
}
