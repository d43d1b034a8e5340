/**
 * A small seeded generator for the demo's text: the same seed gives the same world, documents and dialogues
 * on every machine. It is not for tensors (those have the engine's generators) and not for secrets.
 */
export class SeededRandom {
  #state: number;

  /** `stream` names the purpose, so that two uses of one seed do not run in step. */
  constructor(seed: number, stream = '') {
    this.#state = seed >>> 0;
    for (const character of stream) this.#state = (this.#next() ^ (character.codePointAt(0) ?? 0)) >>> 0;
  }

  /** 32 random bits: splitmix's counter and finaliser, with the 32-bit constants of MurmurHash3. */
  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return (bits ^ (bits >>> 16)) >>> 0;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.#next() / 2 ** 32;
  }

  /** Uniform integer in [0, limit). */
  integer(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  /** One item of a list that is not empty. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(items.length)];
    if (item === undefined) throw new RangeError('SeededRandom.pick: the list is empty');
    return item;
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
    }
    return shuffled;
  }

  /** `count` different items in random order, or all of them where there are fewer. */
  sample<T>(items: readonly T[], count: number): T[] {
    return this.shuffle(items).slice(0, count);
  }
}
