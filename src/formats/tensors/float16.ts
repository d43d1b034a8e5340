/** float16 as numbers of JavaScript. */

let halves: Float32Array | undefined;

/** The value of every float16, by its bits. */
export function float16Values(): Float32Array {
  if (halves !== undefined) return halves;
  const values = new Float32Array(2 ** 16);
  for (let bits = 0; bits < values.length; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction === 0
            ? Number.POSITIVE_INFINITY
            : Number.NaN
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    values[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  halves = values;
  return values;
}
