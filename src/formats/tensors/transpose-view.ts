/** A matrix with rows and columns exchanged, read strip by strip. */
import { dtypeBytes } from './file-dtype.js';
import { readBytes } from './read-numbers.js';
import { rowParts, sliceColumns, type TensorView } from './tensor-view.js';

/** About what a strip of columns may hold; its transpose takes as much again. */
const STRIP_BYTES = 2 ** 25;
/** Elements on each side of the squares that are transposed at a time: they fit the caches. */
const TILE = 32;

/**
 * [R, C] -> [C, R]. Read as a whole it goes strip by strip; parts of it go element by element.
 * @param order row r of the result is column order[r] of the view; rows that lie near each other should come from
 *   columns that do. Default: all in order.
 */
export function transpose(view: TensorView, order?: Int32Array): TensorView {
  const [rows = 0, columns = 0] = view.shape;
  const width = dtypeBytes(view.dtype);
  return {
    dtype: view.dtype,
    shape: [columns, rows],
    source: `${view.source}^T`,
    *locate(from, to) {
      for (const part of rowParts(from, to, width)) {
        const row = Math.floor(part.row / rows);
        const offset = ((part.row % rows) * columns + (order?.[row] ?? row)) * width;
        yield* view.locate(offset + part.start, offset + part.end);
      }
    },
    stream: () => strips(view, order ?? Int32Array.from({ length: columns }, (_, column) => column)),
  };
}

function* strips(view: TensorView, order: Int32Array): Generator<Uint8Array, void> {
  const [rows = 0] = view.shape;
  const width = dtypeBytes(view.dtype);
  const perStrip = Math.max(1, Math.floor(STRIP_BYTES / Math.max(1, rows * width)));
  for (let start = 0; start < order.length; start += perStrip) {
    const wanted = order.subarray(start, start + perStrip);
    const first = wanted.reduce((min, column) => Math.min(min, column));
    const last = wanted.reduce((max, column) => Math.max(max, column));
    const strip = readBytes(sliceColumns(view, first, last + 1));
    const transposed = new Uint8Array(wanted.length * rows * width);
    const columns = wanted.map((column) => column - first);
    transposeTile(words(strip, width), words(transposed, width), rows, last + 1 - first, columns);
    yield transposed;
  }
}

type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** Elements as integers of their width: nothing is rounded. */
function words({ buffer }: Uint8Array, width: number): Words {
  switch (width) {
    case 1:
      return new Uint8Array(buffer);
    case 2:
      return new Uint16Array(buffer);
    case 4:
      return new Uint32Array(buffer);
    case 8:
      return new BigUint64Array(buffer);
    default:
      throw new RangeError(`Elements of ${width} bytes cannot be transposed.`);
  }
}

/** `to` [columns.length, rows]: row k is column columns[k] of `from` [rows, fromColumns]. */
function transposeTile(from: Words, to: Words, rows: number, fromColumns: number, columns: Int32Array): void {
  for (let top = 0; top < rows; top += TILE) {
    const bottom = Math.min(rows, top + TILE);
    for (let left = 0; left < columns.length; left += TILE) {
      const right = Math.min(columns.length, left + TILE);
      for (let index = left; index < right; index++) {
        const column = columns[index]!;
        for (let row = top; row < bottom; row++) to[index * rows + row] = from[row * fromColumns + column]!;
      }
    }
  }
}
