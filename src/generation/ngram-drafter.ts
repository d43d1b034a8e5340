/**
 * Prompt lookup (n-gram speculation): the tokens that followed the last time the text ended as it does now are proposed as the
 * next ones. A proposal costs no model and is only a guess; the model's own pass over it decides.
 */

export interface NgramDrafterOptions {
  /** Fewest last tokens that must have stood together before. Default 2. */
  readonly minMatch?: number | undefined;
  /** Most last tokens that are looked for; of several places the one with the longest match is taken. Default 4. */
  readonly maxMatch?: number | undefined;
  /** Most tokens proposed. Default 8. */
  readonly maxDraft?: number | undefined;
  /**
   * Tokens remembered at most; beyond, the older half is forgotten. A token takes 4 bytes and, for each length from minMatch
   * to maxMatch, up to 16 more. Default 65536.
   */
  readonly maxTokens?: number | undefined;
}

export class NgramDrafter {
  readonly #maxDraft: number;
  readonly #maxTokens: number;
  readonly #history = new History();
  /** One for each length, longest first. */
  readonly #tables: readonly PositionTable[];
  /** Where the tokens stand that followed the longest match of the end; -1 without one. */
  #continuation = -1;

  constructor(
    promptIds: Iterable<number>,
    { minMatch = 2, maxMatch = 4, maxDraft = 8, maxTokens = 65536 }: NgramDrafterOptions = {},
  ) {
    if (!(minMatch >= 1 && maxMatch >= minMatch && maxTokens >= 4 * maxMatch))
      throw new RangeError(`n-gram lengths ${minMatch} to ${maxMatch} of ${maxTokens} tokens`);
    this.#maxDraft = maxDraft;
    this.#maxTokens = maxTokens;
    this.#tables = Array.from(
      { length: maxMatch - minMatch + 1 },
      (_, index) => new PositionTable(this.#history, maxMatch - index),
    );
    for (const id of promptIds) this.add(id);
  }

  /** Takes note of a token. Constant time on average. */
  add(id: number): void {
    if (this.#history.length === this.#maxTokens) this.#forgetOlderHalf();
    this.#history.push(id);
    this.#continuation = -1;
    for (const table of this.#tables) {
      const earlier = table.replaceEnd();
      if (this.#continuation < 0) this.#continuation = earlier;
    }
  }

  /** Up to maxDraft tokens that may come next; none without a match. What follows runs on into itself where it is short. */
  draft(): readonly number[] {
    if (this.#continuation < 0) return [];
    const { length } = this.#history;
    const period = length - this.#continuation;
    return Array.from({ length: this.#maxDraft }, (_, index) =>
      this.#history.at(this.#continuation + (index % period)),
    );
  }

  #forgetOlderHalf(): void {
    const kept = this.#history.takeLast(this.#maxTokens >> 1);
    for (const table of this.#tables) table.clear();
    for (const id of kept) this.add(id);
  }
}

/** The tokens so far. */
class History {
  length = 0;
  #ids = new Int32Array(256);

  at(index: number): number {
    return this.#ids[index]!;
  }

  push(id: number): void {
    if (this.length === this.#ids.length) {
      const larger = new Int32Array(2 * this.length);
      larger.set(this.#ids);
      this.#ids = larger;
    }
    this.#ids[this.length++] = id;
  }

  /** Empties the history; gives the last `count` tokens. */
  takeLast(count: number): Int32Array {
    const kept = this.#ids.slice(this.length - count, this.length);
    this.length = 0;
    return kept;
  }
}

/**
 * Where each sequence of `width` tokens was last followed by another: an open hash table of positions, the tokens themselves
 * being in the history.
 */
class PositionTable {
  readonly #history: History;
  readonly #width: number;
  /** The position behind the sequence; 0: free. */
  #slots = new Int32Array(256);
  #count = 0;

  constructor(history: History, width: number) {
    this.#history = history;
    this.#width = width;
  }

  /** Enters the end of the history; gives the position behind its last occurrence before, or -1. */
  replaceEnd(): number {
    const end = this.#history.length;
    if (end < this.#width) return -1;
    if (2 * this.#count >= this.#slots.length) this.#grow();
    const slot = this.#slotOf(end);
    const earlier = this.#slots[slot]!;
    this.#slots[slot] = end;
    if (earlier > 0) return earlier;
    this.#count += 1;
    return -1;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#count = 0;
  }

  /** The slot with the sequence that ends before `end`, or the free one that it belongs in. */
  #slotOf(end: number): number {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(end) & mask;
    while (this.#slots[slot] !== 0 && !this.#isSame(this.#slots[slot]!, end)) slot = (slot + 1) & mask;
    return slot;
  }

  #hash(end: number): number {
    let hash = 0;
    for (let back = this.#width; back > 0; back--)
      hash = Math.imul(hash ^ this.#history.at(end - back), 0x9e3779b1) ^ (hash >>> 15);
    return hash ^ (hash >>> 16);
  }

  #isSame(end: number, other: number): boolean {
    for (let back = 1; back <= this.#width; back++)
      if (this.#history.at(end - back) !== this.#history.at(other - back)) return false;
    return true;
  }

  #grow(): void {
    const entries = this.#slots.filter((end) => end !== 0);
    this.#slots = new Int32Array(2 * this.#slots.length);
    for (const end of entries) this.#slots[this.#slotOf(end)] = end;
  }
}
