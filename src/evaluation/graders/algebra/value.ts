/** Numbers for the comparison of formulas: fractions of whole numbers as long as they stay so, else complex floats. */

export type Value =
  | { readonly kind: 'fraction'; readonly upper: bigint; readonly lower: bigint }
  | { readonly kind: 'float'; readonly re: number; readonly im: number };

/** No value there: a division by zero, a factorial of no whole number, a number beyond all bounds. */
export class NoValue extends Error {}

const MOST_BITS = 20_000;

/** In lowest terms. */
export function fraction(upper: bigint, lower = 1n): Value {
  if (lower === 0n) throw new NoValue();
  if (upper.toString(2).length > MOST_BITS || lower.toString(2).length > MOST_BITS) throw new NoValue();
  const sign = lower < 0n ? -1n : 1n;
  const shared = divisor(upper < 0n ? -upper : upper, lower * sign);
  return { kind: 'fraction', upper: (sign * upper) / shared, lower: (sign * lower) / shared };
}

function divisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : divisor(b, a % b);
}

export function float(re: number, im = 0): Value {
  if (!Number.isFinite(re) || !Number.isFinite(im)) throw new NoValue();
  return { kind: 'float', re, im };
}

function inexact(value: Value): { readonly re: number; readonly im: number } {
  return value.kind === 'float' ? value : { re: quotient(value.upper, value.lower), im: 0 };
}

/** Also of whole numbers beyond the greatest float. */
function quotient(upper: bigint, lower: bigint): number {
  const excess = Math.max(upper.toString(2).length, lower.toString(2).length) - 1000;
  if (excess <= 0) return Number(upper) / Number(lower);
  return Number(upper >> BigInt(excess)) / Number(lower >> BigInt(excess));
}

export function add(a: Value, b: Value): Value {
  if (a.kind === 'fraction' && b.kind === 'fraction')
    return fraction(a.upper * b.lower + b.upper * a.lower, a.lower * b.lower);
  const [x, y] = [inexact(a), inexact(b)];
  return float(x.re + y.re, x.im + y.im);
}

export function negate(a: Value): Value {
  return a.kind === 'fraction' ? fraction(-a.upper, a.lower) : float(-a.re, -a.im);
}

export function multiply(a: Value, b: Value): Value {
  if (a.kind === 'fraction' && b.kind === 'fraction') return fraction(a.upper * b.upper, a.lower * b.lower);
  const [x, y] = [inexact(a), inexact(b)];
  return float(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re);
}

export function divide(a: Value, b: Value): Value {
  if (a.kind === 'fraction' && b.kind === 'fraction') return fraction(a.upper * b.lower, a.lower * b.upper);
  const [x, y] = [inexact(a), inexact(b)];
  const size = y.re ** 2 + y.im ** 2;
  if (size === 0) throw new NoValue();
  return float((x.re * y.re + x.im * y.im) / size, (x.im * y.re - x.re * y.im) / size);
}

/** The principal value. */
export function power(base: Value, exponent: Value): Value {
  if (exponent.kind === 'fraction' && exponent.lower === 1n && base.kind === 'fraction') {
    const count = exponent.upper < 0n ? -exponent.upper : exponent.upper;
    const bits = BigInt(Math.max(base.upper.toString(2).length, base.lower.toString(2).length));
    if (count * bits > BigInt(MOST_BITS)) throw new NoValue();
    return exponent.upper < 0n
      ? fraction(base.lower ** count, base.upper ** count)
      : fraction(base.upper ** count, base.lower ** count);
  }
  const [x, y] = [inexact(base), inexact(exponent)];
  if (x.re === 0 && x.im === 0) {
    if (y.re > 0) return float(0);
    throw new NoValue();
  }
  return exp(multiply(log(base), exponent));
}

export function log(a: Value): Value {
  const { re, im } = inexact(a);
  if (re === 0 && im === 0) throw new NoValue();
  return float(Math.log(Math.hypot(re, im)), Math.atan2(im, re));
}

export function exp(a: Value): Value {
  const { re, im } = inexact(a);
  return float(Math.exp(re) * Math.cos(im), Math.exp(re) * Math.sin(im));
}

export function absolute(a: Value): Value {
  if (a.kind === 'fraction') return fraction(a.upper < 0n ? -a.upper : a.upper, a.lower);
  return float(Math.hypot(a.re, a.im));
}

/** A function of real numbers. */
export function real(a: Value, of: (x: number) => number): Value {
  const { re, im } = inexact(a);
  if (im !== 0) throw new NoValue();
  return float(of(re));
}

export function floor(a: Value): Value {
  if (a.kind === 'float') return real(a, Math.floor);
  const cut = a.upper / a.lower;
  return fraction(a.upper < 0n && cut * a.lower !== a.upper ? cut - 1n : cut);
}

/** @throws NoValue for anything but a whole number from 0 to 1000 */
export function wholeNumber(a: Value): number {
  if (a.kind !== 'fraction' || a.lower !== 1n || a.upper < 0n || a.upper > 1000n) throw new NoValue();
  return Number(a.upper);
}

export function factorial(count: number): bigint {
  let product = 1n;
  for (let factor = 2n; factor <= BigInt(count); factor++) product *= factor;
  return product;
}

/** Fractions are compared for ever exactly, floats to eleven digits. */
export function isSameValue(a: Value, b: Value): boolean {
  if (a.kind === 'fraction' && b.kind === 'fraction') return a.upper === b.upper && a.lower === b.lower;
  const [x, y] = [inexact(a), inexact(b)];
  const size = Math.max(Math.hypot(x.re, x.im), Math.hypot(y.re, y.im));
  return Math.hypot(x.re - y.re, x.im - y.im) <= 1e-11 * Math.max(size, 1e-3);
}
