/** exp(x) for x <= 0 with the same bits on every machine. */

/** Below this argument `expNonPositive` may not be called; e^-708 is next to the smallest normal number. */
export const minExponent = -708;

const ln2High = Math.fround(Math.LN2); // 24 bits, so that its multiples below are exact
const ln2Low = Math.LN2 - ln2High + 2.3190468138462996e-17; // with the bits of ln 2 beyond Math.LN2
const stepHigh = ln2High / 256;
const stepLow = ln2Low / 256;
const stepsPerUnit = 256 / Math.LN2;
const wholePowers = Float64Array.from({ length: 1024 }, (_, i) => 2 ** -i);
const fractionPowers = Float64Array.from({ length: 256 }, (_, i) => 2 ** (-i / 256));

/**
 * e^x for minExponent <= x <= 0, within 4 units of the last place: 2^(-n/256) from tables times e^r by its
 * series, x = -n ln(2)/256 + r, |r| <= ln(2)/512. Math.exp is a call of twice the time, and a draw from a whole
 * vocabulary is little else.
 */
export function expNonPositive(x: number): number {
  const n = (0.5 - x * stepsPerUnit) | 0;
  const r = x + n * stepHigh + n * stepLow;
  const series = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24))));
  return wholePowers[n >> 8]! * fractionPowers[n & 255]! * series;
}
