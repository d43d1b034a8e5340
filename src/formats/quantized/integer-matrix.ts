/**
 * A matrix kept in integers, in no file's order: what every published form of quantised weights is once it is unpacked.
 *
 * O outputs, I inputs, G groups of inputs; weight [o, i] = scales [o, groups[i]] * (values [o, i] - zeros [o, groups[i]]).
 */
export interface IntegerMatrix {
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly bits: Bits;
  /** [O, I], from 0 to 2^bits - 1. */
  readonly values: Uint8Array;
  /** [O, G] */
  readonly scales: Float32Array;
  /** [O, G], in steps as the values are. */
  readonly zeros: Uint8Array;
  /** [I]: the group of each input. */
  readonly groups: Int32Array;
}

export type Bits = 2 | 3 | 4 | 8;

export function isBits(bits: number): bits is Bits {
  return bits === 2 || bits === 3 || bits === 4 || bits === 8;
}

/** Inputs in groups of `groupSize`, one after the other; the last may be short. */
export function groupsInOrder(inFeatures: number, groupSize: number): Int32Array {
  return Int32Array.from({ length: inFeatures }, (_, input) => Math.floor(input / groupSize));
}

/** Rows `start` to `end` as float32, row by row: the difference is exact, and its product with the scale is rounded once. */
export function dequantizeRows(
  matrix: IntegerMatrix,
  start: number,
  end: number,
  weights: Float32Array,
): void {
  const { inFeatures, outFeatures, values, scales, zeros, groups } = matrix;
  const count = scales.length / outFeatures;
  for (let row = start; row < end; row++) {
    const [from, to, first] = [row * inFeatures, (row - start) * inFeatures, row * count];
    for (let input = 0; input < inFeatures; input++) {
      const group = first + groups[input]!;
      weights[to + input] = scales[group]! * (values[from + input]! - zeros[group]!);
    }
  }
}
