/**
 * NTK-aware extrapolation as both TeleChat layouts publish it: beyond the length of training the rotary base grows
 * in steps with the total length, so that no angle is new to the model.
 */

/**
 * max(1, 2^ceil(log2(length / unit) + 1) - 1): 1 up to `unit` tokens, 3 up to 2 units, 7 up to 4, …
 * @param length all tokens of the sequence @param unit the length that the published code fixes
 */
export function ntkAlpha(length: number, unit: number): number {
  return Math.max(1, 2 ** Math.ceil(Math.log2(length / unit) + 1) - 1);
}
