/** Small integers in words of 32 bits: each row is one little-endian stream of bits that begins with a word. */
import type { Bits } from './integer-matrix.js';

/** Integers packed along rows of words: [R, C * bits / 32] -> [R, C]. A row may end within its last word. */
export function unpackRows(words: Int32Array, bits: Bits, rows: number, columns: number): Uint8Array {
  const values = new Uint8Array(rows * columns);
  const mask = 2 ** bits - 1;
  const perRow = Math.ceil((columns * bits) / 32);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const [word, shift] = [row * perRow + ((column * bits) >> 5), (column * bits) & 31];
      let value = words[word]! >>> shift;
      if (shift + bits > 32) value |= words[word + 1]! << (32 - shift);
      values[row * columns + column] = value & mask;
    }
  return values;
}

/** [R, C] -> [R, ceil(C * bits / 32)] */
export function packRows(values: Uint8Array, bits: Bits, rows: number, columns: number): Int32Array {
  const perRow = Math.ceil((columns * bits) / 32);
  const words = new Int32Array(rows * perRow);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const [word, shift] = [row * perRow + ((column * bits) >> 5), (column * bits) & 31];
      const value = values[row * columns + column]!;
      words[word]! |= value << shift;
      if (shift + bits > 32) words[word + 1]! |= value >>> (32 - shift);
    }
  return words;
}

/** [R, C] -> [C, R] into `target`, which is given back. */
export function transposed<Values extends Float32Array | Uint8Array>(
  values: Values,
  rows: number,
  columns: number,
  target: Values,
): Values {
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      target[column * rows + row] = values[row * columns + column]!;
  return target;
}
