/** Reads GGUF files: metadata, and byte ranges of plain and quantised tensors. */
import { InputError } from '../../errors/index.js';
import { FileCursor } from '../files/file-cursor.js';
import { type InputFile, withInputFile } from '../files/input-file.js';
import type { ByteRange } from '../files/read-ranges.js';
import { showValue } from '../files/show-value.js';
import { dtypeBytes, elementCount } from '../tensors/file-dtype.js';
import type { FileTensor } from '../tensors/file-tensor.js';
import { type GgufValue, readGgufString, readGgufValue } from './gguf-metadata.js';
import { type GgufQuantization, ggufTensorType } from './gguf-types.js';

/**
 * A GGUF file, version 2 or 3, little-endian: "GGUF", u32 version, u64 tensors, u64 keys, the keys with their values,
 * the tensors' names, dimensions (innermost first), types and offsets, then the data, each tensor aligned
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 */
export interface GgufFile {
  readonly path: string;
  /** Bytes. */
  readonly fileSize: number;
  readonly version: 2 | 3;
  /** Of the data and of each tensor in it, in bytes. */
  readonly alignment: number;
  /** In file order. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** The tensors of plain numbers, in file order; shapes outermost dimension first, as everywhere here. */
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** The tensors of packed blocks, in file order. */
  readonly quantized: ReadonlyMap<string, GgufQuantizedTensor>;
}

/** A tensor whose weights are packed in blocks: its bytes have no dtype of ours. */
export interface GgufQuantizedTensor {
  readonly name: string;
  readonly quantization: GgufQuantization;
  /** In weights, outermost dimension first; the last is a multiple of the block. */
  readonly shape: readonly number[];
  readonly ranges: readonly ByteRange[];
}

const DAMAGED = 'The file is truncated or damaged; download or convert it again.';
const MAGIC = 'GGUF';
const DEFAULT_ALIGNMENT = 32;
/** ggml's own limits. */
const MAX_DIMENSIONS = 4;
/** Least bytes of a key with its value, and of a tensor's description: bounds for counts that lie. */
const KEY_BYTES = 13;
const TENSOR_BYTES = 24;
const WINDOW_BYTES = 2 ** 16;

/**
 * Reads metadata and the byte ranges of all tensors; their data stays on disk.
 * @throws InputError naming file, key or tensor and byte for damage, another version or byte order, unknown types.
 */
export function readGgufFile(path: string): GgufFile {
  return withInputFile(path, parseGguf);
}

/** readGgufFile for a file that is open already. */
export function parseGguf(file: InputFile): GgufFile {
  const { path, size: fileSize } = file;
  const cursor = new FileCursor(
    file,
    { start: 0, end: fileSize },
    (problem, offset) => {
      throw new InputError(`${path}: ${problem}, at byte ${offset}. ${DAMAGED}`);
    },
    WINDOW_BYTES,
  );
  const version = readVersion(cursor);
  const tensorCount = cursor.uint64('the number of tensors');
  const keyCount = cursor.uint64('the number of keys');
  if (tensorCount * TENSOR_BYTES + keyCount * KEY_BYTES > cursor.remaining)
    cursor.fail(
      `${tensorCount} tensors and ${keyCount} keys are claimed, more than ${fileSize} bytes can hold`,
      8,
    );
  const metadata = readMetadata(cursor, keyCount);
  const alignment = alignmentOf(cursor, metadata);
  const described = Array.from({ length: tensorCount }, () => readDescription(cursor));
  const dataStart = roundUp(cursor.position, alignment);
  const tensors = new Map<string, FileTensor>();
  const quantized = new Map<string, GgufQuantizedTensor>();
  for (const tensor of described) {
    const { name } = tensor;
    if (tensors.has(name) || quantized.has(name))
      cursor.fail(`two tensors are named ${showValue(name)}`, tensor.position);
    const placed = placeTensor(cursor, tensor, dataStart, alignment);
    if ('dtype' in placed) tensors.set(name, placed);
    else quantized.set(name, placed);
  }
  refuseOverlap(cursor, [...tensors.values(), ...quantized.values()]);
  return { path, fileSize, version, alignment, metadata, tensors, quantized };
}

function readVersion(cursor: FileCursor): 2 | 3 {
  const { path } = cursor.file;
  const magic = cursor.bytes(4, 'the magic number').toString('latin1');
  if (magic !== MAGIC)
    throw new InputError(
      `${path} begins with ${showValue(magic)}, not with "${MAGIC}": it is not a GGUF file.`,
    );
  const version = cursor.uint32('the version');
  if (version === 2 || version === 3) return version;
  const swapped = version % 2 ** 16 === 0;
  throw new InputError(
    swapped
      ? `${path} is a big-endian GGUF file; only little-endian ones can be read. Convert it again for this machine.`
      : `${path} has GGUF version ${version}; readable are 2 and 3. Convert it with a current llama.cpp.`,
  );
}

function readMetadata(cursor: FileCursor, count: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let index = 0; index < count; index++) {
    const position = cursor.position;
    const key = readGgufString(cursor, `the name of key ${index}`);
    if (metadata.has(key)) cursor.fail(`key ${showValue(key)} stands at two places`, position);
    metadata.set(key, readGgufValue(cursor, showValue(key)));
  }
  return metadata;
}

function alignmentOf(cursor: FileCursor, metadata: ReadonlyMap<string, GgufValue>): number {
  const entry = metadata.get('general.alignment');
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  if (entry.type === 'uint32' && entry.value > 0 && Number.isInteger(Math.log2(entry.value)))
    return entry.value;
  return cursor.fail(
    `general.alignment must be a power of two as uint32, found ${entry.type} ${entry.value}`,
  );
}

interface Description {
  readonly name: string;
  readonly shape: readonly number[];
  readonly typeNumber: number;
  /** From the start of the data. */
  readonly offset: number;
  /** Where the description stands in the file. */
  readonly position: number;
}

function readDescription(cursor: FileCursor): Description {
  const position = cursor.position;
  const name = readGgufString(cursor, 'the name of a tensor');
  const what = `tensor ${showValue(name)}`;
  const dimensions = cursor.uint32(`${what}: the number of dimensions`);
  if (dimensions > MAX_DIMENSIONS)
    cursor.fail(`${what} has ${dimensions} dimensions; ${MAX_DIMENSIONS} are allowed`, position);
  const shape: number[] = [];
  for (let dim = 0; dim < dimensions; dim++) shape.unshift(cursor.uint64(`${what}: dimension ${dim}`));
  const typeNumber = cursor.uint32(`${what}: the type`);
  const offset = cursor.uint64(`${what}: the offset`);
  return { name, shape, typeNumber, offset, position };
}

function placeTensor(
  cursor: FileCursor,
  { name, shape, typeNumber, offset, position }: Description,
  dataStart: number,
  alignment: number,
): FileTensor | GgufQuantizedTensor {
  const fail = (problem: string): never => cursor.fail(`tensor ${showValue(name)} ${problem}`, position);
  const type = ggufTensorType(typeNumber) ?? fail(`has the unknown type ${typeNumber}`);
  if (offset % alignment !== 0) fail(`has the offset ${offset}, no multiple of the alignment ${alignment}`);
  const blockSize = type.kind === 'plain' ? 1 : type.blockSize;
  const blockBytes = type.kind === 'plain' ? dtypeBytes(type.dtype) : type.blockBytes;
  const columns = shape.at(-1) ?? 1;
  if (columns % blockSize !== 0)
    fail(`has rows of ${columns} weights, no multiple of its block of ${blockSize}`);
  const bytes = elementCount([...shape.slice(0, -1), columns / blockSize, blockBytes]);
  const start = dataStart + offset;
  const end = start + (bytes ?? Number.POSITIVE_INFINITY);
  if (end > cursor.file.size)
    fail(`of shape ${showValue(shape)} ends at byte ${end}, but the file has ${cursor.file.size}`);
  const ranges = [{ path: cursor.file.path, start, end }];
  if (type.kind === 'plain') return { name, dtype: type.dtype, shape, ranges };
  return { name, quantization: type.quantization, shape, ranges };
}

function refuseOverlap(
  cursor: FileCursor,
  tensors: readonly { readonly name: string; readonly ranges: readonly ByteRange[] }[],
): void {
  const placed = tensors
    .flatMap(({ name, ranges }) => ranges.map(({ start, end }) => ({ name, start, end })))
    .filter(({ start, end }) => end > start)
    .sort((a, b) => a.start - b.start);
  for (const [index, { name, start }] of placed.entries()) {
    const before = placed[index - 1];
    if (before !== undefined && start < before.end)
      cursor.fail(`tensors ${showValue(before.name)} and ${showValue(name)} overlap`, start);
  }
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
