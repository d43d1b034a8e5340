/**
 * Weights as AutoAWQ stores them ("GEMM"): four bits, eight outputs a word in an order of their own, zero points as they are.
 */
import type { IntegerMatrix } from './integer-matrix.js';
import { type IntegerRows, rowLayout, turnedNibbles } from './integer-rows.js';
import { transposed } from './packed-integers.js';

export interface AwqTensors {
  /** [I, O / 8] */
  readonly qweight: Int32Array;
  /** [G, O / 8] */
  readonly qzeros: Int32Array;
  /** [G, O] */
  readonly scales: Float32Array;
}

/** Which of a word's eight outputs lies in each of its halves of a byte, the lowest first. */
const ORDER = [0, 2, 4, 6, 1, 3, 5, 7] as const;

export function unpackAwq({ qweight, qzeros, scales }: AwqTensors, groups: Int32Array): IntegerMatrix {
  const inFeatures = groups.length;
  const outFeatures = (qweight.length * 8) / inFeatures;
  const groupCount = scales.length / outFeatures;
  return {
    ...{ outFeatures, inFeatures, bits: 4, groups },
    values: unpackOutputs(qweight, inFeatures, outFeatures),
    scales: transposed(scales, groupCount, outFeatures, new Float32Array(scales.length)),
    zeros: unpackOutputs(qzeros, groupCount, outFeatures),
  };
}

/** The same for products. */
export function awqRows(
  { qweight, qzeros, scales }: AwqTensors,
  groups: Int32Array,
): IntegerRows | undefined {
  const inFeatures = groups.length;
  const outFeatures = (qweight.length * 8) / inFeatures;
  const groupCount = scales.length / outFeatures;
  const layout = rowLayout(groups, groupCount);
  if (layout === undefined) return undefined;
  const words = turnedNibbles(qweight, inFeatures, outFeatures, ORDER);
  return {
    ...layout,
    ...{ bits: 4, values: new Uint8Array(words.buffer), isSigned: false },
    scales: transposed(scales, groupCount, outFeatures, new Float32Array(scales.length)),
    zeros: unpackOutputs(qzeros, groupCount, outFeatures),
  };
}

export function packAwq({ inFeatures, outFeatures, values, zeros, scales }: IntegerMatrix): AwqTensors {
  const groupCount = scales.length / outFeatures;
  return {
    qweight: packOutputs(values, inFeatures, outFeatures),
    qzeros: packOutputs(zeros, groupCount, outFeatures),
    scales: transposed(scales, outFeatures, groupCount, new Float32Array(scales.length)),
  };
}

/** [R, O / 8] words -> [O, R] integers. */
function unpackOutputs(words: Int32Array, rows: number, outFeatures: number): Uint8Array {
  const values = new Uint8Array(rows * outFeatures);
  const perRow = outFeatures / 8;
  for (let row = 0; row < rows; row++)
    for (let word = 0; word < perRow; word++) {
      const packed = words[row * perRow + word]!;
      for (const [half, output] of ORDER.entries())
        values[(word * 8 + output) * rows + row] = (packed >>> (half * 4)) & 15;
    }
  return values;
}

/** [O, R] integers -> [R, O / 8] words. */
function packOutputs(values: Uint8Array, rows: number, outFeatures: number): Int32Array {
  const perRow = outFeatures / 8;
  const words = new Int32Array(rows * perRow);
  for (let row = 0; row < rows; row++)
    for (let word = 0; word < perRow; word++) {
      let packed = 0;
      for (const [half, output] of ORDER.entries())
        packed |= values[(word * 8 + output) * rows + row]! << (half * 4);
      words[row * perRow + word] = packed;
    }
  return words;
}
