/**
 * Weights as compressed-tensors stores them: signed integers along the rows, those of "pack-quantized" moved up by half their
 * range and packed into words.
 */
import type { Bits, IntegerMatrix } from './integer-matrix.js';
import { packRows, transposed, unpackRows } from './packed-integers.js';

export interface PackedRows {
  readonly bits: Bits;
  /** [O, ceil(I * bits / 32)] */
  readonly packed: Int32Array;
  /** [O, G] */
  readonly scales: Float32Array;
  /** [ceil(O * bits / 32), G], packed down the outputs; undefined: symmetric, zero is 0. */
  readonly zeroPoints: Int32Array | undefined;
}

export function unpackPackedRows(
  { bits, packed, scales, zeroPoints }: PackedRows,
  outFeatures: number,
  groups: Int32Array,
): IntegerMatrix {
  const inFeatures = groups.length;
  const groupCount = scales.length / outFeatures;
  return {
    ...{ outFeatures, inFeatures, bits, scales, groups },
    values: unpackRows(packed, bits, outFeatures, inFeatures),
    zeros:
      packedZeros({ bits, zeroPoints }, outFeatures, groupCount) ??
      new Uint8Array(scales.length).fill(2 ** (bits - 1)),
  };
}

/** @returns no zero points where all are the middle of the range. */
export function packPackedRows(matrix: IntegerMatrix): Omit<PackedRows, 'bits'> {
  const { bits, values, outFeatures, inFeatures, scales, zeros } = matrix;
  const isSymmetric = zeros.every((zero) => zero === 2 ** (bits - 1));
  return {
    packed: packRows(values, bits, outFeatures, inFeatures),
    scales,
    zeroPoints: isSymmetric ? undefined : packDown(zeros, bits, outFeatures, scales.length / outFeatures),
  };
}

/** int8 [O, I] with a scale for each output or group: "int-quantized". */
export function unpackInt8(
  values: Int8Array,
  scales: Float32Array,
  zeroPoints: Int8Array | undefined,
  outFeatures: number,
  groups: Int32Array,
): IntegerMatrix {
  return {
    ...{ outFeatures, inFeatures: groups.length, bits: 8, scales, groups },
    values: unsigned(values),
    zeros: zeroPoints === undefined ? new Uint8Array(scales.length).fill(128) : unsigned(zeroPoints),
  };
}

/** Moved up by half their range. */
export function unsigned(signed: Int8Array): Uint8Array {
  const moved = new Uint8Array(signed.length);
  for (let index = 0; index < signed.length; index++) moved[index] = signed[index]! + 128;
  return moved;
}

/** The zero points of such a file, [O, G]; undefined: all are half the range. */
export function packedZeros(
  { bits, zeroPoints }: Pick<PackedRows, 'bits' | 'zeroPoints'>,
  outFeatures: number,
  groupCount: number,
): Uint8Array | undefined {
  return zeroPoints && unpackDown(zeroPoints, bits, outFeatures, groupCount);
}

/** [ceil(R * bits / 32), C] words -> [R, C] */
function unpackDown(words: Int32Array, bits: Bits, rows: number, columns: number): Uint8Array {
  const wordRows = Math.ceil((rows * bits) / 32);
  const turned = new Int32Array(words.length);
  for (let row = 0; row < wordRows; row++)
    for (let column = 0; column < columns; column++)
      turned[column * wordRows + row] = words[row * columns + column]!;
  return transposed(unpackRows(turned, bits, columns, rows), columns, rows, new Uint8Array(rows * columns));
}

/** [R, C] -> [ceil(R * bits / 32), C] words */
function packDown(values: Uint8Array, bits: Bits, rows: number, columns: number): Int32Array {
  const words = packRows(
    transposed(values, rows, columns, new Uint8Array(values.length)),
    bits,
    columns,
    rows,
  );
  const wordRows = words.length / columns;
  const turned = new Int32Array(words.length);
  for (let column = 0; column < columns; column++)
    for (let row = 0; row < wordRows; row++) turned[row * columns + column] = words[column * wordRows + row]!;
  return turned;
}
