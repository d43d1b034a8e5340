/** Which row comes at which position of an endless, seeded order over the rows. */
import { Permutation } from './permutation.js';
import { seededBits } from './seeded-hash.js';

export interface RowOrderOptions {
  readonly seed: number;
  readonly shuffle: boolean;
  /** Rows of each phase of a curriculum, which stay in their order; rows are shuffled within one. Default: one phase. */
  readonly phases?: readonly number[] | undefined;
}

/**
 * Every epoch is a permutation of its own, made from the seed and the epoch's number. Any position is found in constant
 * time and memory, so the state of a run over the rows is one number, and any number of ranks may share the positions.
 */
export class RowOrder {
  readonly #count: number;
  readonly #options: RowOrderOptions;
  readonly #phases: readonly number[];
  #epoch = -1;
  #permutations: readonly Permutation[] = [];

  constructor(count: number, options: RowOrderOptions) {
    this.#count = count;
    this.#options = options;
    this.#phases = options.phases ?? [count];
    const total = this.#phases.reduce((sum, rows) => sum + rows, 0);
    if (total !== count) throw new RangeError(`the phases have ${total} rows, the data ${count}`);
  }

  /** Index of the row at `position`, counted over all epochs from 0. */
  rowAt(position: number): number {
    const within = position % this.#count;
    const { seed, shuffle } = this.#options;
    if (!shuffle) return within;
    const epoch = Math.floor(position / this.#count);
    if (epoch !== this.#epoch) {
      this.#permutations = this.#phases.map(
        (rows, phase) => new Permutation(rows, seededBits(seed, 'row order', epoch, phase)),
      );
      this.#epoch = epoch;
    }
    let start = 0;
    for (const [phase, rows] of this.#phases.entries()) {
      if (within < start + rows) return start + this.#permutations[phase]!.at(within - start);
      start += rows;
    }
    throw new RangeError(`position ${position} lies beyond the phases`);
  }
}
