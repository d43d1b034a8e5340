/**
 * Batch-invariant linear layers for inference: in `xinghe::linear` without a graph, a row of the result has the same
 * bits however many rows are multiplied with it, wherever it stands among them, and on however many threads. So a
 * sequence is continued alike alone and in any batch, with its prompt in one chunk or in many.
 *
 * Holds for float32, float64 and bfloat16, and for float16 where the processor has AVX2; other types, other devices
 * and layers that record a graph run as usual. Weights are read in place, in the layout [O, I] or [I, O] (a transposed
 * view), which is fastest for few rows; many rows are within a tenth of oneDNN's speed (bench/inference-products.mjs).
 * The two layouts add in different orders, as do processors with different instructions (AVX512_BF16, AVX-512, AVX2,
 * none of them).
 */
import { native } from './native.js';

/**
 * Turns the batch-invariant kernels on or off, for this thread of JavaScript. Off at the start.
 * @param instructions what they, and the products of integers, may use at most: plain, avx2, avx512 (without VNNI) or avx512bf16.
 *   Default: all there is
 */
export function setInvariantLinear(on: boolean, instructions = ''): void {
  native().setInvariantLinear(on, instructions);
}

export function isInvariantLinear(): boolean {
  return native().isInvariantLinear();
}
