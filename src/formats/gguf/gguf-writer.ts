/** Writes GGUF files. */
import { InputError } from '../../errors/index.js';
import { writeFileAtomic } from '../files/atomic-write.js';
import { showValue } from '../files/show-value.js';
import { elementCount } from '../tensors/file-dtype.js';
import { checkDistinctNames, type TensorInput, tensorBytes } from '../tensors/file-tensor.js';
import {
  encodeGgufString,
  encodeGgufValue,
  encodeUint32,
  encodeUint64,
  type GgufValue,
} from './gguf-metadata.js';
import {
  type GgufQuantization,
  ggufDtypeNames,
  ggufDtypeNumber,
  ggufQuantizationLayout,
} from './gguf-types.js';

/** A tensor of packed blocks to write. */
export interface GgufQuantizedInput {
  readonly name: string;
  readonly quantization: GgufQuantization;
  /** In weights, outermost dimension first; the last is a multiple of the block. */
  readonly shape: readonly number[];
  /** The blocks, row by row; whole or in chunks. Called once, when the tensor is written. */
  readonly bytes: () => Uint8Array | Iterable<Uint8Array>;
}

export type GgufTensorInput = TensorInput | GgufQuantizedInput;

const VERSION = 3;
const DEFAULT_ALIGNMENT = 32;
const MAX_DIMENSIONS = 4;

/**
 * Writes a GGUF file, version 3, little-endian, one tensor at a time in the given order, atomically. Tensors are
 * aligned to 32 bytes or to the metadata's general.alignment (uint32, a power of two).
 * @throws InputError if the path cannot be written, a dtype has no number in ggml or a tensor over four dimensions;
 *   RangeError if a tensor or a metadata value is faulty (a fault of the caller).
 */
export function writeGgufFile(
  path: string,
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: Iterable<GgufTensorInput>,
): void {
  const inputs = [...tensors];
  checkDistinctNames(inputs);
  const alignment = alignmentOf(metadata);
  const described = describe(path, inputs, alignment);
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    encodeUint32(VERSION),
    encodeUint64(inputs.length),
    encodeUint64(metadata.size),
    ...[...metadata].flatMap(([key, value]) => [encodeGgufString(key), encodeGgufValue(value)]),
    ...described.map(({ description }) => description),
  ]);
  writeFileAtomic(path, (write) => {
    write(head);
    write(padding(head.length, alignment));
    for (const { input, bytes } of described) {
      writeWhole(input, bytes, write);
      write(padding(bytes, alignment));
    }
  });
}

interface Described {
  readonly input: GgufTensorInput;
  readonly bytes: number;
  readonly description: Buffer;
}

function describe(path: string, inputs: readonly GgufTensorInput[], alignment: number): Described[] {
  let offset = 0;
  return inputs.map((input) => {
    const { name, shape } = input;
    const { number, bytes } = layoutOf(path, input);
    if (shape.length > MAX_DIMENSIONS)
      throw new InputError(
        `${path}: tensor ${showValue(name)} has ${shape.length} dimensions; GGUF allows ${MAX_DIMENSIONS}.`,
      );
    const description = Buffer.concat([
      encodeGgufString(name),
      encodeUint32(shape.length),
      ...shape.toReversed().map(encodeUint64),
      encodeUint32(number),
      encodeUint64(offset),
    ]);
    offset += bytes + padding(bytes, alignment).length;
    return { input, bytes, description };
  });
}

function layoutOf(path: string, input: GgufTensorInput): { number: number; bytes: number } {
  const { name, shape } = input;
  if ('quantization' in input) {
    const { number, blockSize, blockBytes } = ggufQuantizationLayout(input.quantization);
    const blocks = (shape.at(-1) ?? 1) / blockSize;
    const bytes = elementCount([...shape.slice(0, -1), blocks, blockBytes]);
    if (Number.isInteger(blocks) && bytes !== undefined) return { number, bytes };
    throw new RangeError(`Tensor ${name}: rows of [${shape}] do not divide into blocks of ${blockSize}.`);
  }
  const number = ggufDtypeNumber(input.dtype);
  if (number !== undefined) return { number, bytes: tensorBytes(input) };
  throw new InputError(
    `${path}: tensor ${showValue(name)} is ${input.dtype}, which GGUF cannot hold (${ggufDtypeNames()} it can). Convert it first.`,
  );
}

function writeWhole(
  { name, bytes }: GgufTensorInput,
  expected: number,
  write: (chunk: Uint8Array) => void,
): void {
  const content = bytes();
  let written = 0;
  for (const piece of content instanceof Uint8Array ? [content] : content) {
    write(piece);
    written += piece.byteLength;
  }
  if (written !== expected) throw new RangeError(`Tensor ${name} needs ${expected} bytes, got ${written}.`);
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const entry = metadata.get('general.alignment');
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  if (entry.type === 'uint32' && entry.value > 0 && Number.isInteger(Math.log2(entry.value)))
    return entry.value;
  throw new RangeError('general.alignment must be a power of two as uint32.');
}

function padding(length: number, alignment: number): Buffer {
  return Buffer.alloc((alignment - (length % alignment)) % alignment);
}
