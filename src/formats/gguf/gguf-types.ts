/** Numbers, names and block layouts of ggml's tensor types. */
import type { FileDtype } from '../tensors/file-dtype.js';

/** Element types that a tensor of ours may have: our name, ggml's name and number. */
const PLAIN = [
  ['float32', 'F32', 0],
  ['float16', 'F16', 1],
  ['int8', 'I8', 24],
  ['int16', 'I16', 25],
  ['int32', 'I32', 26],
  ['int64', 'I64', 27],
  ['float64', 'F64', 28],
  ['bfloat16', 'BF16', 30],
] as const satisfies readonly (readonly [FileDtype, string, number])[];

/**
 * Quantised types: ggml's name and number, weights in a block, bytes of a block
 * (https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/constants.py).
 */
const QUANTIZED = [
  ['Q4_0', 2, 32, 18],
  ['Q4_1', 3, 32, 20],
  ['Q5_0', 6, 32, 22],
  ['Q5_1', 7, 32, 24],
  ['Q8_0', 8, 32, 34],
  ['Q8_1', 9, 32, 40],
  ['Q2_K', 10, 256, 84],
  ['Q3_K', 11, 256, 110],
  ['Q4_K', 12, 256, 144],
  ['Q5_K', 13, 256, 176],
  ['Q6_K', 14, 256, 210],
  ['Q8_K', 15, 256, 292],
  ['IQ2_XXS', 16, 256, 66],
  ['IQ2_XS', 17, 256, 74],
  ['IQ3_XXS', 18, 256, 98],
  ['IQ1_S', 19, 256, 50],
  ['IQ4_NL', 20, 32, 18],
  ['IQ3_S', 21, 256, 110],
  ['IQ2_S', 22, 256, 82],
  ['IQ4_XS', 23, 256, 136],
  ['IQ1_M', 29, 256, 56],
  ['TQ1_0', 34, 256, 54],
  ['TQ2_0', 35, 256, 66],
  ['MXFP4', 39, 32, 17],
  ['NVFP4', 40, 64, 36],
  ['Q1_0', 41, 128, 18],
] as const;

/** ggml's name of a type that packs blocks of weights. */
export type GgufQuantization = (typeof QUANTIZED)[number][0];

/** A type as a file states it by number. */
export type GgufTensorType =
  | { readonly kind: 'plain'; readonly dtype: FileDtype }
  | {
      readonly kind: 'quantized';
      readonly quantization: GgufQuantization;
      /** Weights in a block; blocks lie along the last dimension. */
      readonly blockSize: number;
      /** Bytes of a block. */
      readonly blockBytes: number;
    };

const BY_NUMBER: ReadonlyMap<number, GgufTensorType> = new Map<number, GgufTensorType>([
  ...PLAIN.map(([dtype, , number]) => [number, { kind: 'plain', dtype }] as const),
  ...QUANTIZED.map(
    ([quantization, number, blockSize, blockBytes]) =>
      [number, { kind: 'quantized', quantization, blockSize, blockBytes }] as const,
  ),
]);
const PLAIN_NUMBERS: ReadonlyMap<FileDtype, number> = new Map(
  PLAIN.map(([dtype, , number]) => [dtype, number]),
);
const QUANTIZED_ROWS: ReadonlyMap<string, (typeof QUANTIZED)[number]> = new Map(
  QUANTIZED.map((row) => [row[0], row]),
);

/** The type of a number in a file; undefined for numbers unknown or no longer in use. */
export function ggufTensorType(number: number): GgufTensorType | undefined {
  return BY_NUMBER.get(number);
}

/** ggml's number of a dtype; undefined where ggml has none (uint8, bool, float8, …). */
export function ggufDtypeNumber(dtype: FileDtype): number | undefined {
  return PLAIN_NUMBERS.get(dtype);
}

/** Number and block of a quantised type. */
export function ggufQuantizationLayout(quantization: GgufQuantization): {
  readonly number: number;
  readonly blockSize: number;
  readonly blockBytes: number;
} {
  const row = QUANTIZED_ROWS.get(quantization);
  if (row === undefined) throw new RangeError(`Unknown quantisation ${quantization}.`);
  const [, number, blockSize, blockBytes] = row;
  return { number, blockSize, blockBytes };
}

/** ggml's names of all dtypes that it knows unpacked, for messages. */
export function ggufDtypeNames(): string {
  return PLAIN.map(([dtype]) => dtype).join(', ');
}
