/** Linear layers whose weights stay integers. */
export { IntegerLinear } from './integer-linear.js';
export { type PackedIntegers, packIntegers } from './pack-integers.js';
