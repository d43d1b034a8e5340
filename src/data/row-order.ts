/** Which row comes at which place of an endless, seeded run over the rows. */
import { Generator, operator, scope } from '../tensor/index.js';

const randperm = operator('aten::randperm.generator');

/** Every epoch is a permutation of its own, made from the seed and the epoch's number: any place is found at once. */
export class RowOrder {
  readonly #count: number;
  readonly #seed: number;
  readonly #shuffle: boolean;
  #epoch = -1;
  #permutation: readonly number[] = [];

  constructor(count: number, { seed, shuffle }: { readonly seed: number; readonly shuffle: boolean }) {
    this.#count = count;
    this.#seed = seed;
    this.#shuffle = shuffle;
  }

  /** Index of the row at `place`, counted over all epochs from 0. */
  rowAt(place: number): number {
    const within = place % this.#count;
    if (!this.#shuffle) return within;
    const epoch = Math.floor(place / this.#count);
    if (epoch !== this.#epoch) {
      this.#permutation = permutation(this.#count, this.#seed + epoch * EPOCH_STRIDE);
      this.#epoch = epoch;
    }
    return this.#permutation[within] ?? 0;
  }
}

/** Keeps the epochs of neighbouring seeds apart. */
const EPOCH_STRIDE = 1_000_003;

function permutation(count: number, seed: number): number[] {
  const generator = new Generator(seed);
  try {
    return scope(() => randperm(count, generator, 'int64').toArray());
  } finally {
    generator.dispose();
  }
}
