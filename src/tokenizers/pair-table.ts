/** A hash table from pairs of symbols to their merge. */

/** Rank of a pair that does not merge. */
export const NO_MERGE = 0x7fffffff;

const EMPTY = -1;
const SLOT_INTS = 4; // left, right, rank, merged: one slot never straddles two cache lines

/**
 * Hash table from a pair of non-negative integers to a rank and a merged symbol: the merge rules of a BPE model,
 * or, as (node, code unit) to child, the edges of a trie. Open addressing in one typed array, at most half full.
 * Looking up a negative integer finds nothing.
 */
export class PairTable {
  #slots: Int32Array;
  #mask: number;
  #size = 0;

  constructor(expectedSize = 16) {
    let capacity = 32;
    while (capacity < expectedSize * 2) capacity *= 2;
    this.#slots = new Int32Array(capacity * SLOT_INTS).fill(EMPTY);
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds or overwrites an entry. */
  set(left: number, right: number, rank: number, merged: number): void {
    if (this.#size * 2 > this.#mask) this.#grow();
    const slots = this.#slots;
    let slot = hash(left, right) & this.#mask;
    while (slots[slot * SLOT_INTS]! !== EMPTY) {
      if (slots[slot * SLOT_INTS] === left && slots[slot * SLOT_INTS + 1] === right) break;
      slot = (slot + 1) & this.#mask;
    }
    const at = slot * SLOT_INTS;
    if (slots[at] === EMPTY) this.#size += 1;
    slots[at] = left;
    slots[at + 1] = right;
    slots[at + 2] = rank;
    slots[at + 3] = merged;
  }

  /** A handle for `rank` and `merged`, valid until the next `set`; -1 if the pair has no entry. */
  find(left: number, right: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let slot = hash(left, right) & mask;
    for (;;) {
      const at = slot * SLOT_INTS;
      const key = slots[at]!;
      if (key === EMPTY) return -1;
      if (key === left && slots[at + 1]! === right) return at;
      slot = (slot + 1) & mask;
    }
  }

  rank(handle: number): number {
    return this.#slots[handle + 2]!;
  }

  merged(handle: number): number {
    return this.#slots[handle + 3]!;
  }

  /** The rank of a pair, NO_MERGE if it has none. */
  rankOf(left: number, right: number): number {
    const handle = this.find(left, right);
    return handle < 0 ? NO_MERGE : this.#slots[handle + 2]!;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(old.length * 2).fill(EMPTY);
    this.#mask = this.#mask * 2 + 1;
    this.#size = 0;
    for (let at = 0; at < old.length; at += SLOT_INTS) {
      if (old[at] !== EMPTY) this.set(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!);
    }
  }
}

/** Two odd multipliers and a fold of the high bits, since only the low bits choose the slot. */
function hash(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
