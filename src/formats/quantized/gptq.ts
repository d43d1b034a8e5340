/**
 * Weights as AutoGPTQ and GPTQModel store them. Integers are packed down the columns: those of a column are one little-endian
 * stream of bits, 32 of them a word. Zero points likewise along the rows; the first version of the form stores them less one.
 */
import type { Bits, IntegerMatrix } from './integer-matrix.js';
import { type IntegerRows, reorderedRows, rowLayout, transposedWords } from './integer-rows.js';
import { packRows, transposed, unpackRows } from './packed-integers.js';

export interface GptqTensors {
  readonly bits: Bits;
  /** [I * bits / 32, O] */
  readonly qweight: Int32Array;
  /** [G, O * bits / 32] */
  readonly qzeros: Int32Array;
  /** [G, O] */
  readonly scales: Float32Array;
  /** [I] */
  readonly groups: Int32Array;
  /** 1: zero points are stored less one. */
  readonly version: 1 | 2;
}

export function unpackGptq({ bits, qweight, qzeros, scales, groups, version }: GptqTensors): IntegerMatrix {
  const inFeatures = groups.length;
  const outFeatures = (qweight.length * 32) / bits / inFeatures;
  const groupCount = scales.length / outFeatures;
  return {
    ...{ outFeatures, inFeatures, bits, groups },
    values: unpackColumns(qweight, bits, inFeatures, outFeatures),
    scales: transposed(scales, groupCount, outFeatures, new Float32Array(scales.length)),
    zeros: zerosOf({ bits, qzeros, version }, groupCount, outFeatures),
  };
}

/** The same for products. */
export function gptqRows({
  bits,
  qweight,
  qzeros,
  scales,
  groups,
  version,
}: GptqTensors): IntegerRows | undefined {
  if (bits !== 4 && bits !== 8) return undefined;
  const inFeatures = groups.length;
  const outFeatures = (qweight.length * 32) / bits / inFeatures;
  const groupCount = scales.length / outFeatures;
  const layout = rowLayout(groups, groupCount);
  if (layout === undefined) return undefined;
  const rows = new Uint8Array(transposedWords(qweight, (inFeatures * bits) / 32, outFeatures).buffer);
  return {
    ...layout,
    ...{
      bits,
      values: layout.order === undefined ? rows : reorderedRows(rows, bits, layout.order),
      isSigned: false,
    },
    scales: transposed(scales, groupCount, outFeatures, new Float32Array(scales.length)),
    zeros: zerosOf({ bits, qzeros, version }, groupCount, outFeatures),
  };
}

/** [G, O * bits / 32] as stored -> [O, G] */
function zerosOf(
  { bits, qzeros, version }: Pick<GptqTensors, 'bits' | 'qzeros' | 'version'>,
  groupCount: number,
  outFeatures: number,
): Uint8Array {
  const stored = unpackRows(qzeros, bits, groupCount, outFeatures);
  if (version === 1) {
    const most = 2 ** bits - 1;
    for (let index = 0; index < stored.length; index++) stored[index] = (stored[index]! + 1) & most;
  }
  return transposed(stored, groupCount, outFeatures, new Uint8Array(stored.length));
}

/** @throws RangeError for zero points that version 1 cannot say, and sizes that fill no whole words (faults of the caller) */
export function packGptq(
  matrix: IntegerMatrix,
  version: 1 | 2,
): Omit<GptqTensors, 'version' | 'groups' | 'bits'> {
  const { bits, inFeatures, outFeatures, values, scales, zeros } = matrix;
  const groupCount = scales.length / outFeatures;
  const stored = transposed(zeros, outFeatures, groupCount, new Uint8Array(zeros.length));
  if (version === 1) {
    if (stored.includes(0)) throw new RangeError('a zero point of 0 cannot be stored less one');
    for (let index = 0; index < stored.length; index++) stored[index]! -= 1;
  }
  return {
    qweight: packColumns(values, bits, inFeatures, outFeatures),
    qzeros: packRows(stored, bits, groupCount, outFeatures),
    scales: transposed(scales, outFeatures, groupCount, new Float32Array(scales.length)),
  };
}

/** Inputs that go through the caches together. */
const TILE = 64;

/** [I * bits / 32, O] words -> [O, I] integers. */
function unpackColumns(words: Int32Array, bits: Bits, inFeatures: number, outFeatures: number): Uint8Array {
  const values = new Uint8Array(inFeatures * outFeatures);
  const mask = 2 ** bits - 1;
  for (let top = 0; top < inFeatures; top += TILE)
    for (let output = 0; output < outFeatures; output++)
      for (let input = top; input < Math.min(top + TILE, inFeatures); input++) {
        const [word, shift] = [(input * bits) >> 5, (input * bits) & 31];
        let value = words[word * outFeatures + output]! >>> shift;
        if (shift + bits > 32) value |= words[(word + 1) * outFeatures + output]! << (32 - shift);
        values[output * inFeatures + input] = value & mask;
      }
  return values;
}

/** [O, I] integers -> [I * bits / 32, O] words. */
function packColumns(values: Uint8Array, bits: Bits, inFeatures: number, outFeatures: number): Int32Array {
  const words = new Int32Array(wordsFor(inFeatures, bits) * outFeatures);
  for (let output = 0; output < outFeatures; output++)
    for (let input = 0; input < inFeatures; input++) {
      const [word, shift] = [(input * bits) >> 5, (input * bits) & 31];
      const value = values[output * inFeatures + input]!;
      words[word * outFeatures + output]! |= value << shift;
      if (shift + bits > 32) words[(word + 1) * outFeatures + output]! |= value >>> (32 - shift);
    }
  return words;
}

function wordsFor(count: number, bits: Bits): number {
  if ((count * bits) % 32 !== 0)
    throw new RangeError(`${count} integers of ${bits} bits fill no whole words`);
  return (count * bits) / 32;
}
