/** A plan of rows over stored samples, as rows to write. */
import type { RowDocument, RowsToWrite } from '../dataset/rows-tensors.js';
import { type RowPlan, rowTokens } from '../packing/row-plan.js';
import type { SampleStore } from './sample-store.js';

export interface Padding {
  readonly side: 'left' | 'right';
  readonly id: number;
}

export class PlanSource implements RowsToWrite {
  readonly rowLength: number;
  readonly #plan: RowPlan;
  readonly #store: SampleStore;
  readonly #padding: Padding;
  readonly #files: Uint32Array;
  readonly #lines: Uint32Array;

  constructor(plan: RowPlan, store: SampleStore, rowLength: number, padding: Padding) {
    this.rowLength = rowLength;
    this.#plan = plan;
    this.#store = store;
    this.#padding = padding;
    this.#files = store.files;
    this.#lines = store.lines;
  }

  get rowCount(): number {
    return this.#plan.rowCount;
  }

  writeWords(row: number, target: Int32Array, at: number): void {
    const { rowStarts, samples, starts, lengths } = this.#plan;
    const first = this.#firstPosition(row);
    let next = at + first;
    target.fill(this.#padding.id, at, next);
    for (let fragment = rowStarts[row]!; fragment < rowStarts[row + 1]!; fragment++) {
      const length = lengths[fragment]!;
      this.#store.read(samples[fragment]!, starts[fragment]!, length, target, next);
      next += length;
    }
    target.fill(this.#padding.id, next, at + this.rowLength);
  }

  *documents(row: number): Generator<RowDocument> {
    const { rowStarts, samples, starts, lengths } = this.#plan;
    let position = this.#firstPosition(row);
    for (let fragment = rowStarts[row]!; fragment < rowStarts[row + 1]!; fragment++) {
      const sample = samples[fragment]!;
      const tokens = lengths[fragment]!;
      yield {
        file: this.#files[sample]!,
        line: this.#lines[sample]!,
        position,
        tokens,
        offset: starts[fragment]!,
      };
      position += tokens;
    }
  }

  #firstPosition(row: number): number {
    return this.#padding.side === 'left' ? this.rowLength - rowTokens(this.#plan, row) : 0;
  }
}
