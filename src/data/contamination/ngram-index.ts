/** All windows of the evaluation items, in typed arrays: 12 bytes each at a load between 3/8 and 3/4. */

const WORDS = 3;

/** Bits of a Bloom filter of one hash: 4 MiB, which stays in the cache, answer for most windows of clean text. */
const FILTER_BITS = 2 ** 25;
const FILTER_SHIFT = 7;

/** Windows of 64-bit keys to the items that have them. Slots of (low, high, item + 1); open addressing. */
export class NgramIndex {
  #slots = new Uint32Array(4096 * WORDS);
  #count = 0;
  readonly #filter = new Uint32Array(FILTER_BITS / 32);
  readonly #maxItems: number;

  /** @param maxItems a window of more items is boilerplate (task texts, answer phrases) and counts for none */
  constructor(maxItems: number) {
    this.#maxItems = maxItems;
  }

  get size(): number {
    return this.#count;
  }

  /** A window is counted once for each item. */
  add(low: number, high: number, item: number): void {
    const slots = this.#slots;
    const mask = slots.length / WORDS - 1;
    let found = 0;
    let slot = low & mask;
    for (; slots[slot * WORDS + 2] !== 0; slot = (slot + 1) & mask) {
      const at = slot * WORDS;
      if (slots[at] !== low || slots[at + 1] !== high) continue;
      if (slots[at + 2] === item + 1) return;
      found += 1;
    }
    // One beyond the limit is kept: it tells find that there are too many.
    if (found > this.#maxItems) return;
    slots.set([low, high, item + 1], slot * WORDS);
    const bit = high >>> FILTER_SHIFT;
    this.#filter[bit >>> 5]! |= 1 << (bit & 31);
    this.#count += 1;
    if (this.#count * WORDS > slots.length * 0.75) this.#grow();
  }

  /** Adds the window's items to `items`; false if there are none, or too many. */
  find(low: number, high: number, items: number[]): boolean {
    const bit = high >>> FILTER_SHIFT;
    if ((this.#filter[bit >>> 5]! & (1 << (bit & 31))) === 0) return false;
    const slots = this.#slots;
    const mask = slots.length / WORDS - 1;
    const before = items.length;
    for (let slot = low & mask; slots[slot * WORDS + 2] !== 0; slot = (slot + 1) & mask) {
      const at = slot * WORDS;
      if (slots[at] === low && slots[at + 1] === high) items.push(slots[at + 2]! - 1);
    }
    if (items.length - before > this.#maxItems) items.length = before;
    return items.length > before;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Uint32Array(old.length * 2);
    const mask = slots.length / WORDS - 1;
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 2] === 0) continue;
      let slot = old[at]! & mask;
      while (slots[slot * WORDS + 2] !== 0) slot = (slot + 1) & mask;
      slots.set([old[at]!, old[at + 1]!, old[at + 2]!], slot * WORDS);
    }
    this.#slots = slots;
  }
}
