/**
 * NTK-aware extrapolation: beyond the length of training the rotary base grows with the total length, so that no angle is
 * new to the model. Both TeleChat layouts publish it in steps, XVERSE-13B-256K without.
 */

/**
 * max(1, 2^ceil(log2(length / unit) + 1) - 1): 1 up to `unit` tokens, 3 up to 2 units, 7 up to 4, …
 * @param length all tokens of the sequence @param unit the length that the published code fixes
 */
export function ntkAlpha(length: number, unit: number): number {
  return Math.max(1, 2 ** Math.ceil(Math.log2(length / unit) + 1) - 1);
}

/**
 * Dynamic NTK as transformers writes it (rope_scaling `dynamic`): the base is multiplied by alpha^(d / (d - 2)) with
 * alpha = factor * length / trained - (factor - 1), from `trained` tokens on. XVERSE-13B-256K's
 * alpha = length / (trained / 2) - 1 is that of factor 2.
 * @param length all tokens of the sequence @param trained max_position_embeddings
 */
export function dynamicNtkBase(
  base: number,
  headDim: number,
  length: number,
  { factor, trained }: { readonly factor: number; readonly trained: number },
): number {
  if (length <= trained) return base;
  const alpha = (factor * length) / trained - (factor - 1);
  return base * alpha ** (headDim / (headDim - 2));
}
