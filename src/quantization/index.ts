/** Linear layers whose weights stay integers. */
export { activationScales, relativeMagnitude, SCALE_EXPONENTS } from './activation-scales.js';
export { clipWeights } from './clip-weights.js';
export { correction, type PairedInputs } from './correct-weight.js';
export { dequantizeLayers } from './dequantize-layers.js';
export { dequantizedMatrix } from './dequantized-matrix.js';
export { type GptqRule, gptq } from './gptq.js';
export { IntegerEmbedding } from './integer-embedding.js';
export {
  IntegerLinear,
  type IntegerLinearOptions,
  type IntegerTensors,
  placeIntegers,
  placeOrder,
} from './integer-linear.js';
export { type PackedIntegers, packIntegers } from './pack-integers.js';
export { type RoundingRule, roundedWeight, roundToNearest } from './round-to-nearest.js';
