/** What decoding blocks of packed weights means, and the scales that all of them begin with. */

/**
 * Writes the weights of `count` blocks, one block after the other. Arithmetic is in float64 and rounded to float32 once, as each
 * weight is stored: no product of a float16 scale, a block's scale and a code takes more than 53 bits, so that the bits are
 * those of float32 arithmetic from left to right.
 */
export type DecodeBlocks = (bytes: Uint8Array, count: number, weights: Float32Array) => void;

/** The 16 levels of IQ4_NL and IQ4_XS. */
export const NONLINEAR_LEVELS: readonly number[] = [
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];
