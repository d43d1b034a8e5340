/** Batches of rows for training: the same order on any number of ranks, resumable from one number. */
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../errors/index.js';
import { RowOrder } from '../row-order.js';
import type { Row, RowSource } from '../rows.js';

export interface RowLoaderOptions {
  readonly seed: number;
  /** Within each phase of a curriculum. */
  readonly shuffle: boolean;
  /** This process among those that train together. Default 0 of 1. */
  readonly rank?: number | undefined;
  readonly ranks?: number | undefined;
  /** Rows that stay together on one rank: those of a micro-batch. Default 1. */
  readonly together?: number | undefined;
  /** End a batch with the epoch, so that every row is taken once in it. Default false: it goes on with the next epoch. */
  readonly endsWithEpoch?: boolean | undefined;
}

export interface RowLoaderState {
  /** Rows that all ranks together have taken, over all epochs. */
  readonly position: number;
  /** What the position is counted in: another seed or other rows are another order. */
  readonly seed: number;
  readonly rows: number;
}

/** The rows of one rank's part of a step. */
export interface RowBatch {
  readonly rows: readonly Row[];
  /** Which rows of the data they are. */
  readonly indices: readonly number[];
}

/**
 * Positions are counted over all ranks: of each step's rows rank r takes the r-th part, so that the rows of a step are the
 * same however many ranks share them. The next batch is read while the caller computes.
 */
export class RowLoader {
  readonly #source: RowSource;
  readonly #order: RowOrder;
  readonly #seed: number;
  readonly #rank: number;
  readonly #ranks: number;
  readonly #together: number;
  readonly #endsWithEpoch: boolean;
  #position = 0;
  #ahead: { readonly position: number; readonly batch: number; readonly rows: Promise<RowBatch> } | undefined;

  /** @throws InputError for data without rows */
  constructor(source: RowSource, options: RowLoaderOptions) {
    const { seed, shuffle, rank = 0, ranks = 1, together = 1, endsWithEpoch = false } = options;
    if (source.rowCount === 0) throw new InputError(`${source.path} has no rows.`);
    if (!(rank >= 0 && rank < ranks)) throw new RangeError(`rank ${rank} of ${ranks}`);
    this.#source = source;
    this.#order = new RowOrder(source.rowCount, { seed, shuffle, phases: source.phases });
    this.#seed = seed;
    this.#rank = rank;
    this.#ranks = ranks;
    this.#together = together;
    this.#endsWithEpoch = endsWithEpoch;
  }

  /** This rank's `batch` rows of the next step; fewer, or none, in the last batch of an epoch that ends with it. */
  async next(batch: number): Promise<RowBatch> {
    const ahead = this.#ahead;
    const rows =
      ahead?.position === this.#position && ahead.batch === batch
        ? ahead.rows
        : this.#read(this.#position, batch);
    const loaded = await rows;
    this.#position += this.#rowsAt(this.#position, batch);
    this.#prefetch(batch);
    return loaded;
  }

  /** Until nothing is read any more; the files may be closed then. */
  async close(): Promise<void> {
    await this.#ahead?.rows.catch(() => {});
    this.#ahead = undefined;
  }

  state(): RowLoaderState {
    return { position: this.#position, seed: this.#seed, rows: this.#source.rowCount };
  }

  /** @throws InputError if the state belongs to another seed or other rows */
  restore({ position, seed, rows }: RowLoaderState): void {
    if (seed !== this.#seed || rows !== this.#source.rowCount)
      throw new InputError(
        `${this.#source.path}: the saved position is one among ${rows} rows with seed ${seed}, not among ` +
          `${this.#source.rowCount} rows with seed ${this.#seed}; resume with the same data and seed.`,
      );
    this.#position = position;
  }

  /** Rows of the step at a position, on all ranks. */
  #rowsAt(position: number, batch: number): number {
    const wanted = batch * this.#ranks;
    const { rowCount } = this.#source;
    return this.#endsWithEpoch ? Math.min(wanted, rowCount - (position % rowCount)) : wanted;
  }

  #prefetch(batch: number): void {
    const rows = this.#read(this.#position, batch);
    // Thrown when the batch is asked for.
    rows.catch(() => {});
    this.#ahead = { position: this.#position, batch, rows };
  }

  async #read(position: number, batch: number): Promise<RowBatch> {
    const all = this.#rowsAt(position, batch);
    const groups = Math.ceil(all / this.#together);
    const firstOf = (rank: number): number =>
      Math.min(all, Math.floor((groups * rank) / this.#ranks) * this.#together);
    const from = firstOf(this.#rank);
    const end = firstOf(this.#rank + 1);
    const indices = Array.from({ length: end - from }, (_, index) =>
      this.#order.rowAt(position + from + index),
    );
    const rows: Row[] = [];
    for (const index of indices) {
      await setImmediate();
      rows.push(await this.#source.read(index));
    }
    return { rows, indices };
  }
}
