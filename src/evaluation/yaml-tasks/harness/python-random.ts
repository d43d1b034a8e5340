/**
 * Python's `random.Random(seed).sample`, with which lm-evaluation-harness draws examples: the same seed gives the same examples.
 * The generator is MT19937 (Matsumoto and Nishimura 1998), seeded by key as CPython does.
 */

const SIZE = 624;
const SHIFT = 397;

export class PythonRandom {
  readonly #state = new Uint32Array(SIZE);
  #next = SIZE;

  /** @param seed a whole number from 0 to 2^32 - 1 */
  constructor(seed: number) {
    this.#seedBy(19650218);
    const state = this.#state;
    let place = 1;
    const turn = (): void => {
      if (++place < SIZE) return;
      state[0] = at(state, SIZE - 1);
      place = 1;
    };
    // The key has one word: the seed.
    for (let step = 0; step < SIZE; step += 1) {
      state[place] = (at(state, place) ^ Math.imul(mixed(state, place), 1664525)) + seed;
      turn();
    }
    for (let step = 1; step < SIZE; step += 1) {
      state[place] = (at(state, place) ^ Math.imul(mixed(state, place), 1566083941)) - place;
      turn();
    }
    state[0] = 0x80000000;
  }

  #seedBy(seed: number): void {
    const state = this.#state;
    state[0] = seed;
    for (let place = 1; place < SIZE; place += 1)
      state[place] = Math.imul(mixed(state, place), 1812433253) + place;
  }

  #word(): number {
    if (this.#next === SIZE) this.#twist();
    let word = at(this.#state, this.#next++);
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    for (let place = 0; place < SIZE; place += 1) {
      const joined = (at(state, place) & 0x80000000) | (at(state, (place + 1) % SIZE) & 0x7fffffff);
      state[place] =
        at(state, (place + SHIFT) % SIZE) ^ (joined >>> 1) ^ ((joined & 1) === 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }

  /** A whole number from 0 below `end`. */
  below(end: number): number {
    const bits = 32 - Math.clz32(end);
    for (;;) {
      const value = this.#word() >>> (32 - bits);
      if (value < end) return value;
    }
  }

  /** @param count not more than there are. @throws RangeError */
  sample<Item>(items: readonly Item[], count: number): Item[] {
    const { length } = items;
    if (count > length) throw new RangeError(`a sample of ${count} out of ${length}`);
    // CPython chooses between two ways by what they cost in memory; they draw differently.
    const setSize = 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0);
    const places: number[] = [];
    if (length <= setSize) {
      const pool = [...items.keys()];
      for (let left = length; left > length - count; left -= 1) {
        const drawn = this.below(left);
        places.push(pool[drawn] ?? 0);
        pool[drawn] = pool[left - 1] ?? 0;
      }
    } else {
      const chosen = new Set<number>();
      while (chosen.size < count) chosen.add(this.below(length));
      places.push(...chosen);
    }
    return places.flatMap((place) => items.slice(place, place + 1));
  }
}

/** Of the word before, as both seedings mix it. */
function mixed(state: Uint32Array, place: number): number {
  const before = at(state, place - 1);
  return before ^ (before >>> 30);
}

function at(state: Uint32Array, place: number): number {
  return state[place] ?? 0;
}
