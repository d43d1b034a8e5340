/** A hash table from 64-bit keys to where each was first seen, in typed arrays. */
import type { SampleOrigin } from '../sample.js';

const WORDS = 4;

/** Slots of (key low, key high, file, line); line 0 is an empty slot. Open addressing, linear probing. */
export class OriginTable {
  readonly #files: string[] = [];
  readonly #fileIndex = new Map<string, number>();
  #slots = new Uint32Array(1024 * WORDS);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  /** Where the key was first met; undefined if it is new, and `origin` is remembered for it. */
  findOrAdd(low: number, high: number, { file, line }: SampleOrigin): SampleOrigin | undefined {
    const at = findSlot(this.#slots, low, high);
    const foundLine = this.#slots[at + 3]!;
    if (foundLine !== 0) return { file: this.#files[this.#slots[at + 2]!]!, line: foundLine };
    this.#slots.set([low, high, this.#indexOf(file), line], at);
    this.#count += 1;
    if (this.#count * WORDS > this.#slots.length * 0.75) this.#grow();
    return undefined;
  }

  #indexOf(file: string): number {
    const known = this.#fileIndex.get(file);
    if (known !== undefined) return known;
    this.#files.push(file);
    this.#fileIndex.set(file, this.#files.length - 1);
    return this.#files.length - 1;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 3] === 0) continue;
      const to = findSlot(slots, old[at]!, old[at + 1]!);
      for (let word = 0; word < WORDS; word += 1) slots[to + word] = old[at + word]!;
    }
    this.#slots = slots;
  }
}

/** The slot of the key, or the empty one where it belongs. */
function findSlot(slots: Uint32Array, low: number, high: number): number {
  const mask = slots.length / WORDS - 1;
  for (let slot = low & mask; ; slot = (slot + 1) & mask) {
    const at = slot * WORDS;
    if (slots[at + 3] === 0 || (slots[at] === low && slots[at + 1] === high)) return at;
  }
}
