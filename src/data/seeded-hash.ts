/** Draws that depend on a seed and on what is drawn for, never on the order of drawing: equal on any number of threads. */

/** Keeps the draws of different purposes apart. */
export type DrawPurpose = 'row order' | 'sample order' | 'weight' | 'validation';

const PURPOSES: Readonly<Record<DrawPurpose, number>> = {
  'row order': 1,
  'sample order': 2,
  weight: 3,
  validation: 4,
};

/** 32 bits from the seed, the purpose and any safe integers. */
export function seededBits(seed: number, purpose: DrawPurpose, ...values: readonly number[]): number {
  let state = absorb(absorb(0x9e3779b9, PURPOSES[purpose]), seed);
  for (const value of values) state = absorb(state, value);
  return mixBits(state) >>> 0;
}

/** A number in [0, 1) of 2^32 equally likely ones. */
export function seededUnit(seed: number, purpose: DrawPurpose, ...values: readonly number[]): number {
  return seededBits(seed, purpose, ...values) / 2 ** 32;
}

/** A bijection of 32-bit integers whose every output bit depends on every input bit (MurmurHash3's finalizer). */
export function mixBits(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

/** Both halves of a safe integer into the state. */
function absorb(state: number, value: number): number {
  const low = mixBits(state ^ (value | 0));
  return mixBits((low + Math.floor(value / 2 ** 32) + 0x632be5ab) | 0);
}
