/** Integers of any published form in the one order that the products read, where there is one. */
import type { IntegerMatrix } from '../formats/index.js';

/** Inputs are decoded so many at a time: rows are padded to whole blocks, groups are made of them. */
const BLOCK = 32;

export interface PackedIntegers {
  readonly bits: 4 | 8;
  /** [O, K * bits / 8]: a byte holds the inputs 2 i (its low half) and 2 i + 1, or one input; K: I in whole blocks. */
  readonly packed: Uint8Array;
  /** [O, G] */
  readonly scales: Float32Array;
  /** [O, G] */
  readonly zeros: Uint8Array;
  /** [I]: the input at each place; undefined: each at its own. */
  readonly order: Int32Array | undefined;
  /** Inputs in each group but the last: a multiple of the block. */
  readonly groupSize: number;
}

/** undefined where the groups are not of one size, or not made of whole blocks. */
export function packIntegers(matrix: IntegerMatrix): PackedIntegers | undefined {
  const { bits, inFeatures, outFeatures, scales, zeros } = matrix;
  const order = orderOf(matrix.groups);
  const groupSize = groupSizeOf(matrix, scales.length / outFeatures);
  if (groupSize === undefined) return undefined;
  const [perByte, padded] = [bits === 8 ? 1 : 2, roundUp(inFeatures)];
  const rowBytes = padded / perByte;
  const packed = new Uint8Array(outFeatures * rowBytes);
  for (let output = 0; output < outFeatures; output++) {
    const [from, to] = [output * inFeatures, output * rowBytes];
    for (let place = 0; place < inFeatures; place++) {
      const value = matrix.values[from + (order?.[place] ?? place)]!;
      if (perByte === 1) packed[to + place] = value;
      else packed[to + (place >> 1)]! |= value << ((place & 1) * 4);
    }
  }
  return { bits: bits === 8 ? 8 : 4, packed, scales, zeros, order, groupSize };
}

/** The inputs group by group; undefined where they stand so already. */
function orderOf(groups: Int32Array): Int32Array | undefined {
  const isInOrder = groups.every((group, input) => input === 0 || group >= groups[input - 1]!);
  if (isInOrder) return undefined;
  return Int32Array.from(groups.keys()).sort((a, b) => groups[a]! - groups[b]! || a - b);
}

function groupSizeOf({ groups, inFeatures }: IntegerMatrix, count: number): number | undefined {
  if (count === 1) return roundUp(inFeatures);
  const sizes = new Int32Array(count);
  for (const group of groups) sizes[group]! += 1;
  const [size = 0] = sizes;
  const isWhole = size > 0 && size % BLOCK === 0 && Math.ceil(inFeatures / size) === count;
  return isWhole && sizes.subarray(0, -1).every((each) => each === size) ? size : undefined;
}

function roundUp(inputs: number): number {
  return Math.ceil(inputs / BLOCK) * BLOCK;
}
