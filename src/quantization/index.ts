/** Linear layers whose weights stay integers. */
export { dequantizeLayers } from './dequantize-layers.js';
export { type GptqRule, gptq } from './gptq.js';
export { IntegerLinear, type IntegerLinearOptions } from './integer-linear.js';
export { type PackedIntegers, packIntegers } from './pack-integers.js';
export { type RoundingRule, roundToNearest } from './round-to-nearest.js';
