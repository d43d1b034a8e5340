/**
 * Activation-aware scaling (Lin et al. 2023, "AWQ: Activation-aware Weight Quantization"): inputs that weigh much in the outputs are made
 * smaller before a matrix and their weights larger, so that rounding loses less of them.
 *
 * Shapes: O outputs, I inputs.
 */
import { ones, operator, scope, type Tensor, where } from '../tensor/index.js';
import { inGroups } from './group-ranges.js';

const amax = operator('aten::amax');
const clamp = operator('aten::clamp');
const power = operator('aten::pow.Tensor_Scalar');

/** Exponents of the magnitude that are tried, the first of equals being taken. */
export const SCALE_EXPONENTS: readonly number[] = Array.from({ length: 20 }, (_, step) => step / 20);

/** Mean over the rows of |w|, relative to the largest of its group. @param weight [O, I] @returns [I] */
export function relativeMagnitude(weight: Tensor, groupSize: number | undefined): Tensor {
  return scope(() => {
    const [outFeatures = 0, inFeatures = 0] = weight.shape;
    const groups = inGroups(weight.abs(), groupSize ?? inFeatures); // [O, G, N]
    const relative = groups.div(amax(groups, [-1], true).add(1e-6));
    return relative.reshape([outFeatures, -1]).narrow(1, 0, inFeatures).mean([0]);
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
