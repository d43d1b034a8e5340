/** Integers of any published form in the one order that the products read, where there is one. */
import { groupLayout, type IntegerMatrix } from '../formats/index.js';

/** Inputs are decoded so many at a time: rows are padded to whole blocks. */
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
  const layout = groupLayout(matrix.groups, scales.length / outFeatures);
  if (layout === undefined) return undefined;
  const { order, groupSize } = layout;
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

function roundUp(inputs: number): number {
  return Math.ceil(inputs / BLOCK) * BLOCK;
}
