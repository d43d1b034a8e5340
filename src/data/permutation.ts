/** A seeded permutation that is computed on demand, so that shuffling needs no memory. */
import { mixBits } from './seeded-hash.js';

/** Enough for each half to depend on the other several times over. */
const ROUNDS = 6;

/**
 * A permutation of 0 .. count - 1 that is computed, not stored: a Feistel network over the smallest square of a power
 * of two that holds them, walked along its cycle until it is within (Black and Rogaway, "Ciphers with arbitrary
 * finite domains", 2002). Any position costs a few steps and no memory.
 */
export class Permutation {
  readonly #count: number;
  readonly #half: number;
  readonly #keys: Int32Array;

  /** @param key another key, another permutation */
  constructor(count: number, key: number) {
    this.#count = count;
    let half = 1;
    while (half * half < count) half *= 2;
    this.#half = half;
    this.#keys = Int32Array.from({ length: ROUNDS }, (_, round) => mixBits(mixBits(key) + round));
  }

  at(position: number): number {
    if (!(position >= 0 && position < this.#count))
      throw new RangeError(`position ${position} is not within 0 .. ${this.#count - 1}`);
    let value = position;
    do value = this.#step(value);
    while (value >= this.#count);
    return value;
  }

  #step(value: number): number {
    const half = this.#half;
    const mask = half - 1;
    let left = Math.floor(value / half);
    let right = value % half;
    for (const key of this.#keys) {
      const next = (left ^ mixBits(Math.imul(right, 0x9e3779b1) + key)) & mask;
      left = right;
      right = next;
    }
    return left * half + right;
  }
}
