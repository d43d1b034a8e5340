/**
 * Integers in the one order that products read: along the inputs of each output, two of four bits in a byte, the first in its
 * low half. Some forms have it in their files; of others it is made word by word, without unpacking.
 */
import type { TensorView } from '../tensors/tensor-view.js';

export interface IntegerRows {
  readonly bits: 4 | 8;
  /** uint8 [O, I * bits / 8]: a view where the file holds them so. */
  readonly values: TensorView | Uint8Array;
  /** The values are signed, as the zero point 0 is: less by half their range. Only of eight bits. */
  readonly isSigned: boolean;
  /** [O, G] */
  readonly scales: TensorView | Float32Array;
  /** [O, G]; undefined: all are half the range. */
  readonly zeros: Uint8Array | undefined;
  /** [I]: the input at each place; undefined: each at its own. */
  readonly order: Int32Array | undefined;
  /** Inputs in each group but the last. */
  readonly groupSize: number;
}

/** Outputs and words that go through the caches together. */
const TILE = 32;

/** [I * bits / 32, O] words -> [O, I * bits / 32] words. */
export function transposedWords(words: Int32Array, wordRows: number, outFeatures: number): Int32Array {
  const turned = new Int32Array(words.length);
  for (let top = 0; top < wordRows; top += TILE)
    for (let left = 0; left < outFeatures; left += TILE) {
      const [bottom, right] = [Math.min(top + TILE, wordRows), Math.min(left + TILE, outFeatures)];
      for (let row = top; row < bottom; row++)
        for (let output = left; output < right; output++)
          turned[output * wordRows + row] = words[row * outFeatures + output]!;
    }
  return turned;
}

/**
 * Eight inputs of eight outputs from words that hold an input of eight outputs each.
 * @param words [I, O / 8] @param order which output lies in each half of a byte, the lowest first
 * @returns [O, I / 8] words; I a multiple of 8
 */
export function turnedNibbles(
  words: Int32Array,
  inFeatures: number,
  outFeatures: number,
  order: readonly number[],
): Int32Array {
  const [perRow, wordColumns] = [outFeatures / 8, inFeatures / 8];
  const turned = new Int32Array(words.length);
  for (let column = 0; column < wordColumns; column++)
    for (let word = 0; word < perRow; word++) {
      const [from, to] = [column * 8 * perRow + word, word * 8 * wordColumns + column];
      for (let half = 0; half < 8; half++) {
        let packed = 0;
        for (let input = 0; input < 8; input++)
          packed |= ((words[from + input * perRow]! >>> (half * 4)) & 15) << (input * 4);
        turned[to + order[half]! * wordColumns] = packed;
      }
    }
  return turned;
}

/** The inputs of each row in another order. @param rows [O, I * bits / 8] @param order [I]: the input at each place */
export function reorderedRows(rows: Uint8Array, bits: 4 | 8, order: Int32Array): Uint8Array {
  const rowBytes = (order.length * bits) / 8;
  const result = new Uint8Array(rows.length);
  for (let from = 0; from < rows.length; from += rowBytes) {
    if (bits === 8)
      for (let place = 0; place < rowBytes; place++) result[from + place] = rows[from + order[place]!]!;
    else
      for (let place = 0; place < rowBytes; place++) {
        const [first, second] = [order[place * 2]!, order[place * 2 + 1]!];
        const low = (rows[from + (first >> 1)]! >> ((first & 1) * 4)) & 15;
        const high = (rows[from + (second >> 1)]! >> ((second & 1) * 4)) & 15;
        result[from + place] = low | (high << 4);
      }
  }
  return result;
}

/** Inputs are multiplied so many at a time: groups are made of them, and rows. */
const BLOCK = 32;

/** Where the inputs of each group lie together, and how many they are. */
export type GroupLayout = Pick<IntegerRows, 'order' | 'groupSize'>;

/** @returns undefined where the groups differ in size, or are not made of whole blocks of 32 inputs */
export function groupLayout(groups: Int32Array, groupCount: number): GroupLayout | undefined {
  const groupSize =
    groupCount === 1 ? Math.ceil(groups.length / BLOCK) * BLOCK : sizeOfGroups(groups, groupCount);
  if (groupSize === undefined) return undefined;
  const isInOrder = groups.every((group, input) => input === 0 || group >= groups[input - 1]!);
  return { order: isInOrder ? undefined : inputsByGroup(groups), groupSize };
}

/** As groupLayout; undefined too where a row ends within a block. */
export function rowLayout(groups: Int32Array, groupCount: number): GroupLayout | undefined {
  return groups.length % BLOCK === 0 ? groupLayout(groups, groupCount) : undefined;
}

function sizeOfGroups(groups: Int32Array, count: number): number | undefined {
  const sizes = new Int32Array(count);
  for (const group of groups) sizes[group]! += 1;
  const [size = 0] = sizes;
  const isWhole = size > 0 && size % BLOCK === 0 && Math.ceil(groups.length / size) === count;
  return isWhole && sizes.subarray(0, -1).every((each) => each === size) ? size : undefined;
}

/** Group by group, of each group in their order. */
function inputsByGroup(groups: Int32Array): Int32Array {
  return Int32Array.from(groups.keys()).sort((a, b) => groups[a]! - groups[b]! || a - b);
}
