/** Batches of rows for training: the same order on any number of ranks, resumable from one number. */
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../errors/index.js';
import { RowOrder } from '../row-order.js';
import type { Dataset } from './open-dataset.js';
import type { PackedRow } from './row.js';

export interface RowLoaderOptions {
  readonly seed: number;
  /** Within each phase of a curriculum. */
  readonly shuffle: boolean;
  /** This process among those that train together. Default 0 of 1. */
  readonly rank?: number | undefined;
  readonly ranks?: number | undefined;
}

export interface RowLoaderState {
  /** Rows that all ranks together have taken, over all epochs. */
  readonly place: number;
  /** What the place is counted in: another seed or other rows are another order. */
  readonly seed: number;
  readonly rows: number;
}

/**
 * Places are counted over all ranks: of each step's rows rank r takes the r-th part, so that the rows of a step are the
 * same however many ranks share them. The next batch is read while the caller computes.
 */
export class RowLoader {
  readonly #dataset: Dataset;
  readonly #order: RowOrder;
  readonly #seed: number;
  readonly #rank: number;
  readonly #ranks: number;
  #place = 0;
  #ahead: { readonly place: number; readonly batch: number; readonly rows: Promise<PackedRow[]> } | undefined;

  /** @throws InputError for a dataset without rows */
  constructor(dataset: Dataset, options: RowLoaderOptions) {
    const { seed, shuffle, rank = 0, ranks = 1 } = options;
    if (dataset.rowCount === 0) throw new InputError(`${dataset.path} has no rows.`);
    if (!(rank >= 0 && rank < ranks)) throw new RangeError(`rank ${rank} of ${ranks}`);
    this.#dataset = dataset;
    this.#order = new RowOrder(dataset.rowCount, { seed, shuffle, phases: dataset.phases });
    this.#seed = seed;
    this.#rank = rank;
    this.#ranks = ranks;
  }

  /** This rank's `batch` rows of the next step. */
  async next(batch: number): Promise<PackedRow[]> {
    const ahead = this.#ahead;
    const rows =
      ahead?.place === this.#place && ahead.batch === batch ? ahead.rows : this.#read(this.#place, batch);
    const loaded = await rows;
    this.#place += batch * this.#ranks;
    this.#prefetch(batch);
    return loaded;
  }

  state(): RowLoaderState {
    return { place: this.#place, seed: this.#seed, rows: this.#dataset.rowCount };
  }

  /** @throws InputError if the state belongs to another seed or other rows */
  restore({ place, seed, rows }: RowLoaderState): void {
    if (seed !== this.#seed || rows !== this.#dataset.rowCount)
      throw new InputError(
        `${this.#dataset.path}: the saved place is one among ${rows} rows with seed ${seed}, not among ` +
          `${this.#dataset.rowCount} rows with seed ${this.#seed}; resume with the same data and seed.`,
      );
    this.#place = place;
  }

  #prefetch(batch: number): void {
    const rows = this.#read(this.#place, batch);
    // Thrown when the batch is asked for.
    rows.catch(() => {});
    this.#ahead = { place: this.#place, batch, rows };
  }

  async #read(place: number, batch: number): Promise<PackedRow[]> {
    const rows: PackedRow[] = [];
    for (let index = 0; index < batch; index++) {
      await setImmediate();
      rows.push(this.#dataset.row(this.#order.rowAt(place + this.#rank * batch + index)));
    }
    return rows;
  }
}
