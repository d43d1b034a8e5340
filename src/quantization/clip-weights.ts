/**
 * The largest |w| that a group keeps, by the least change of its part of the outputs: AutoAWQ's search, over tokens of a calibration.
 *
 * Shapes: O outputs, I inputs, G groups, N inputs of a group, T tokens.
 */
import { noGrad, operator, scope, type Tensor, where } from '../tensor/index.js';
import { inGroups } from './group-ranges.js';
import { type RoundingRule, roundedWeight } from './round-to-nearest.js';

const amax = operator('aten::amax');
const clampTo = operator('aten::clamp.Tensor');

/** From the whole range down to a little over half of it. */
const SHARES = Array.from({ length: 10 }, (_, step) => 1 - step / 20);

/** @param weight [O, I] @param x [T, I]: what it is multiplied with @returns [O, I]: weights beyond the range moved to its end */
export function clipWeights(weight: Tensor, x: Tensor, rule: RoundingRule): Tensor {
  return noGrad(() =>
    scope(() => {
      const [outFeatures = 0, inFeatures = 0] = weight.shape;
      const size = rule.groupSize ?? inFeatures;
      const groups = inGroups(weight, size); // [O, G, N]
      const inputs = inGroups(x, size).transpose(0, 1); // [G, T, N]
      const products = inputs.transpose(1, 2).matmul(inputs); // [G, N, N]
      const largest = amax(groups.abs(), [-1], true); // [O, G, 1]
      const limit = largest.clone();
      const flat = (grouped: Tensor): Tensor => grouped.reshape([outFeatures, -1]).narrow(1, 0, inFeatures);
      const clipped = (bound: Tensor): Tensor => clampTo(groups, bound.neg(), bound);
      const errorWith = (bound: Tensor): Tensor =>
        scope(() => {
          const rounded = inGroups(roundedWeight(flat(clipped(bound)), rule), size);
          const error = rounded.sub(groups).transpose(0, 1); // [G, O, N]
          return error.matmul(products).mul(error).sum([-1], true).transpose(0, 1); // [O, G, 1]
        });
      const least = errorWith(largest).clone();
      for (const share of SHARES.slice(1))
        scope(() => {
          const bound = largest.mul(share);
          const error = errorWith(bound);
          const isBetter = error.lt(least);
          limit.copy_(where(isBetter, bound, limit));
          least.copy_(where(isBetter, error, least));
        });
      return flat(clipped(limit)).contiguous();
    }),
  );
}
