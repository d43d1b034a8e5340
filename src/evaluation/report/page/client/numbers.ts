/** Numbers for people. */

export function percent(value: number): string {
  return (100 * value).toFixed(2);
}

export function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(100 * value).toFixed(2)}`;
}

/** Bits per byte are no share of anything. */
export function isBits(metric: string): boolean {
  return metric === 'bits_per_byte';
}

export function probability(p: number): string {
  if (p < 1e-4) return `p = ${p.toExponential(1)}`;
  return `p = ${p.toFixed(4)}`;
}
