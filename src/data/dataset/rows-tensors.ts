/**
 * What a file of rows holds. R rows of L ids, S documents in them.
 *
 * | tensor | dtype, shape | |
 * | --- | --- | --- |
 * | input_ids | int32 [R, L] | |
 * | loss_mask | uint8 [R, L] | 1 where the token is learned |
 * | origin_rows | int32 [R + 1] | row r has the documents origin_rows[r] up to origin_rows[r + 1] |
 * | origin_files | int32 [S] | number of the input file |
 * | origin_lines | uint32 [S] | line in it, from 1 |
 * | origin_positions | int32 [S] | place in the row of the document's first id there |
 * | origin_tokens | int32 [S] | ids of the document in this row |
 * | origin_offsets | int32 [S] | ids of the document in earlier rows |
 */
import type { TensorInput } from '../../formats/index.js';

/** A token on its way to the files: its id, and in the sign bit whether it is learned. */
export const LEARNED = 0x80000000 | 0;
export const ID_BITS = 0x7fffffff;

/** Rows and their origins as they are made, in any order and more than once. */
export interface RowsToWrite {
  readonly rowCount: number;
  readonly rowLength: number;
  /** Puts the ids of a row into `target` from `at` on: id, sign bit set where learned; padding included. */
  writeWords(row: number, target: Int32Array, at: number): void;
  /** The documents of a row, in order. */
  documents(row: number): Iterable<RowDocument>;
}

export interface RowDocument {
  readonly file: number;
  readonly line: number;
  readonly position: number;
  readonly tokens: number;
  readonly offset: number;
}

/** Rows are gathered into chunks of about this many ids, which fit the caches. */
const CHUNK_IDS = 2 ** 17;

/**
 * The row tensors of rows `first` up to `end`, to be written in this order; `countLearned` hears how many ids of them
 * are learned. The mask is gathered with the ids: a byte for each id of the file is held.
 */
export function rowTensors(
  source: RowsToWrite,
  first: number,
  end: number,
  countLearned: (learned: number) => void,
): TensorInput[] {
  const shape = [end - first, source.rowLength];
  const mask = new Uint8Array((end - first) * source.rowLength);
  return [
    {
      name: 'input_ids',
      dtype: 'int32',
      shape,
      bytes: () => idChunks(source, first, end, mask, countLearned),
    },
    { name: 'loss_mask', dtype: 'uint8', shape, bytes: () => mask },
  ];
}

/** Each chunk is written before the next is made, in the same memory. */
function* idChunks(
  source: RowsToWrite,
  first: number,
  end: number,
  mask: Uint8Array,
  countLearned: (learned: number) => void,
): Generator<Uint8Array> {
  const { rowLength } = source;
  const rows = Math.min(end - first, Math.max(1, Math.floor(CHUNK_IDS / rowLength)));
  const words = new Int32Array(rows * rowLength);
  let learned = 0;
  for (let from = first; from < end; from += rows) {
    const to = Math.min(from + rows, end);
    for (let row = from; row < to; row++) source.writeWords(row, words, (row - from) * rowLength);
    const count = (to - from) * rowLength;
    const at = (from - first) * rowLength;
    for (let index = 0; index < count; index++) {
      const word = words[index]!;
      mask[at + index] = word >>> 31;
      learned += word >>> 31;
      words[index] = word & ID_BITS;
    }
    yield bytesOf(words.subarray(0, count));
  }
  countLearned(learned);
}

/** The ragged tensors of rows `first` up to `end`. */
export function originTensors(source: RowsToWrite, first: number, end: number): TensorInput[] {
  let count = 0;
  const rows = new Int32Array(end - first + 1);
  for (let row = first; row < end; row++) {
    for (const _ of source.documents(row)) count += 1;
    rows[row - first + 1] = count;
  }
  const column = (pick: (document: RowDocument) => number): (() => Uint8Array) => {
    return () => {
      const values = new Int32Array(count);
      let index = 0;
      for (let row = first; row < end; row++)
        for (const document of source.documents(row)) values[index++] = pick(document);
      return bytesOf(values);
    };
  };
  const shape = [count];
  return [
    { name: 'origin_rows', dtype: 'int32', shape: [rows.length], bytes: () => bytesOf(rows) },
    { name: 'origin_files', dtype: 'int32', shape, bytes: column(({ file }) => file) },
    { name: 'origin_lines', dtype: 'uint32', shape, bytes: column(({ line }) => line) },
    { name: 'origin_positions', dtype: 'int32', shape, bytes: column(({ position }) => position) },
    { name: 'origin_tokens', dtype: 'int32', shape, bytes: column(({ tokens }) => tokens) },
    { name: 'origin_offsets', dtype: 'int32', shape, bytes: column(({ offset }) => offset) },
  ];
}

/** Little-endian, as every platform that Node runs on. */
function bytesOf(values: Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
