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
export interface RowSource {
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

/** Rows are gathered into pieces of about this many ids. */
const PIECE_IDS = 2 ** 20;

/** The row tensors of rows `first` up to `end`; `countLearned` hears how many ids of them are learned. */
export function rowTensors(
  source: RowSource,
  first: number,
  end: number,
  countLearned: (learned: number) => void,
): TensorInput[] {
  const shape = [end - first, source.rowLength];
  return [
    { name: 'input_ids', dtype: 'int32', shape, bytes: () => idPieces(source, first, end) },
    { name: 'loss_mask', dtype: 'uint8', shape, bytes: () => maskPieces(source, first, end, countLearned) },
  ];
}

/** Ranges of rows that make pieces. */
function* pieceRanges(source: RowSource, first: number, end: number): Generator<[number, number]> {
  const rows = Math.max(1, Math.floor(PIECE_IDS / source.rowLength));
  for (let row = first; row < end; row += rows) yield [row, Math.min(row + rows, end)];
}

function* wordPieces(source: RowSource, first: number, end: number): Generator<Int32Array> {
  for (const [from, to] of pieceRanges(source, first, end)) {
    const words = new Int32Array((to - from) * source.rowLength);
    for (let row = from; row < to; row++) source.writeWords(row, words, (row - from) * source.rowLength);
    yield words;
  }
}

function* idPieces(source: RowSource, first: number, end: number): Generator<Uint8Array> {
  for (const words of wordPieces(source, first, end)) {
    for (let index = 0; index < words.length; index++) words[index] = words[index]! & ID_BITS;
    yield bytesOf(words);
  }
}

function* maskPieces(
  source: RowSource,
  first: number,
  end: number,
  countLearned: (learned: number) => void,
): Generator<Uint8Array> {
  for (const words of wordPieces(source, first, end)) {
    const mask = new Uint8Array(words.length);
    let learned = 0;
    for (let index = 0; index < words.length; index++) {
      const bit = words[index]! >>> 31;
      mask[index] = bit;
      learned += bit;
    }
    countLearned(learned);
    yield mask;
  }
}

/** The ragged tensors of rows `first` up to `end`. */
export function originTensors(source: RowSource, first: number, end: number): TensorInput[] {
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
