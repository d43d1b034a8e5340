/** The weight that integers stand for, as a tensor: one exact difference and one product, as `dequantizeRows` has them. */
import type { IntegerMatrix } from '../formats/index.js';
import { floatTensor, intTensor, noGrad, scope, type Tensor, tensorFromBytes } from '../tensor/index.js';

/** @returns float32 [O, I] */
export function dequantizedMatrix({
  outFeatures,
  inFeatures,
  values,
  scales,
  zeros,
  groups,
}: IntegerMatrix): Tensor {
  return noGrad(() =>
    scope(() => {
      const perRow = [outFeatures, scales.length / outFeatures];
      const group = intTensor([...groups], [inFeatures]);
      const spread = (perGroup: Tensor): Tensor => perGroup.indexSelect(1, group); // [O, I]
      const steps = tensorFromBytes(values, [outFeatures, inFeatures], 'uint8').to('float32');
      const middles = tensorFromBytes(zeros, perRow, 'uint8').to('float32');
      return steps.sub(spread(middles)).mul(spread(floatTensor(scales, perRow)));
    }),
  );
}
