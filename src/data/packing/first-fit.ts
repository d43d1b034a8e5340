/** First-fit packing: samples in order, each into the first row with room. */
import type { PackingTask, RowAssignment } from './row-plan.js';

export interface FirstFitTask extends PackingTask {
  /**
   * Sizes to fit by where they differ from the tokens that are written (TeleChat's rows), with room of their own.
   * A fragment goes where both fit.
   */
  readonly nominal?: { readonly lengths: Uint32Array; readonly capacity: number } | undefined;
}

/**
 * Each fragment, in order, into the first row with room. Filling one row after the other by a pass over all that is left
 * gives the same rows: a fragment is passed over by a row only if it does not fit beside the earlier ones there.
 */
export function packFirstFit({ lengths, capacity, nominal }: FirstFitTask): RowAssignment {
  const sizes = nominal?.lengths ?? lengths;
  const room = nominal?.capacity ?? capacity;
  const rows = new CapacityTree(lengths.length, room);
  const written = new Uint32Array(nominal === undefined ? 0 : lengths.length);
  const rowOf = new Uint32Array(lengths.length);
  let rowCount = 0;
  lengths.forEach((length, fragment) => {
    const size = sizes[fragment]!;
    let row = rows.firstThatFits(size, 0);
    if (nominal !== undefined) {
      while (written[row]! + length > capacity) row = rows.firstThatFits(size, row + 1);
      written[row]! += length;
    }
    rows.take(row, size);
    rowOf[fragment] = row;
    rowCount = Math.max(rowCount, row + 1);
  });
  return { rowCount, rowOf };
}

/** A tree of maxima over the room of all rows: the first row with room is found in log(rows) steps. */
class CapacityTree {
  readonly #leaves: number;
  readonly #room: Int32Array;

  constructor(rows: number, room: number) {
    let leaves = 1;
    while (leaves < rows) leaves *= 2;
    this.#leaves = leaves;
    this.#room = new Int32Array(2 * leaves).fill(room);
  }

  take(row: number, size: number): void {
    let node = this.#leaves + row;
    this.#room[node]! -= size;
    for (node >>= 1; node >= 1; node >>= 1)
      this.#room[node] = Math.max(this.#room[2 * node]!, this.#room[2 * node + 1]!);
  }

  /** The first row from `from` on with room for `size`; there are as many rows as fragments, so there is one. */
  firstThatFits(size: number, from: number): number {
    let node = this.#leaves + from;
    // Up to the first subtree right of what was passed that has the room, then down to its leftmost such leaf.
    while (this.#room[node]! < size) {
      while ((node & 1) === 1) node >>= 1;
      if (node === 0) throw new RangeError(`no row has room for ${size}`);
      node += 1;
    }
    while (node < this.#leaves) {
      node *= 2;
      if (this.#room[node]! < size) node += 1;
    }
    return node - this.#leaves;
  }
}
