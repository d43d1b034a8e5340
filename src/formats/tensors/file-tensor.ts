/**
 * A tensor in a file: a name, a dtype, a shape and the byte ranges that hold it; and a tensor to write, which yields
 * its bytes when it is written. No file is ever held whole.
 */

import { type ByteRange, readRanges } from '../files/read-ranges.js';
import { showValue } from '../files/show-value.js';
import { dtypeBytes, elementCount, type FileDtype } from './file-dtype.js';
import { gatherStrided } from './strided-tensor.js';

/** What a tensor is, wherever its bytes are. */
export interface TensorDescription {
  readonly name: string;
  readonly dtype: FileDtype;
  /** Empty for a scalar. */
  readonly shape: readonly number[];
}

/** A tensor in a file. */
export interface FileTensor extends TensorDescription {
  /** Little-endian bytes, to be read one range after the other: containers may cut a big tensor into pieces. */
  readonly ranges: readonly ByteRange[];
  /** Elements between neighbours along each dimension, where the elements do not lie row by row without gaps. */
  readonly strides?: readonly number[];
  /** The values are those of the bytes times -1: floats, with strides, so that nobody takes the bytes as they lie. */
  readonly isNegated?: boolean;
}

/** A tensor to write: what it is, and its bytes when it is written. */
export interface TensorInput extends TensorDescription {
  /** Little-endian, row-major; whole or in chunks. Called once, when the tensor is written. */
  readonly bytes: () => Uint8Array | Iterable<Uint8Array>;
}

/** Bytes that a tensor of this dtype and shape has. Throws RangeError beyond 2^53 - 1 (a fault of the caller). */
export function tensorBytes({ name, dtype, shape }: TensorDescription): number {
  const sizesAreValid = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  const bytes = elementCount([...shape, dtypeBytes(dtype)]);
  if (bytes !== undefined && sizesAreValid) return bytes;
  throw new RangeError(`Tensor ${name}: shape [${shape}] is not a list of integers from 0 or is too large.`);
}

/**
 * The bytes of a file tensor, row by row, in chunks of at most `chunkBytes`, each a buffer of its own. The span of a
 * transposed tensor is held meanwhile.
 * @throws InputError if a file became shorter since its header was read
 */
export function* readTensorChunks(tensor: FileTensor, chunkBytes = 2 ** 24): Generator<Uint8Array, void> {
  if (tensor.strides === undefined) {
    yield* readRanges(tensor.ranges, chunkBytes);
    return;
  }
  const { ranges, shape, strides, dtype } = tensor;
  const width = dtypeBytes(dtype);
  // Chunks of whole elements, whatever their width.
  const wholeBytes = Math.max(8, chunkBytes - (chunkBytes % 8));
  for (const chunk of gatherStrided(ranges, shape, strides, width, wholeBytes))
    yield tensor.isNegated === true ? negated(chunk, width) : chunk;
}

/** Flips the sign bit of each little-endian float, in place. */
function negated(chunk: Uint8Array, width: number): Uint8Array {
  for (let last = width - 1; last < chunk.length; last += width) chunk[last]! ^= 0x80;
  return chunk;
}

/** The whole of a file tensor, row by row. */
export function readTensorBytes(tensor: FileTensor): Uint8Array {
  const pieces = [...readTensorChunks(tensor)];
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}

/** A file tensor as one to write. */
export function copyOf(tensor: FileTensor, name = tensor.name): TensorInput {
  const { dtype, shape } = tensor;
  return { name, dtype, shape, bytes: () => readTensorChunks(tensor) };
}

/** Writes one tensor's bytes and checks that they are as many as its dtype and shape say. */
export function writeTensorBytes(tensor: TensorInput, write: (chunk: Uint8Array) => void): void {
  const content = tensor.bytes();
  let written = 0;
  for (const piece of content instanceof Uint8Array ? [content] : content) {
    write(piece);
    written += piece.byteLength;
  }
  const expected = tensorBytes(tensor);
  if (written === expected) return;
  const { name, dtype, shape } = tensor;
  throw new RangeError(`Tensor ${name}: ${dtype} [${shape}] needs ${expected} bytes, got ${written}.`);
}

/** Throws RangeError if two tensors to write have one name (a fault of the caller). */
export function checkDistinctNames(tensors: readonly Pick<TensorInput, 'name'>[]): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) throw new RangeError(`Two tensors are named ${showValue(name)}.`);
    names.add(name);
  }
}
