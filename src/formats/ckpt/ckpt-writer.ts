/** Writes MindSpore checkpoints. */
import { crc32 } from 'node:zlib';
import { InputError } from '../../errors/index.js';
import { writeFileAtomic } from '../files/atomic-write.js';
import { showValue } from '../files/show-value.js';
import { bytesField, lengthPrefix, varintField } from '../protobuf/protobuf-writer.js';
import { type TensorInput, tensorBytes, writeTensorBytes } from '../tensors/file-tensor.js';
import { CKPT_FIELDS, CRC_MARK, ckptTypeNames, toCkptType } from './ckpt-dtype.js';

export interface WriteCkptOptions {
  /** Bytes of data in one message; bigger tensors take several. Default 512 MiB, MindSpore's own. */
  readonly sliceBytes?: number;
  /** End the file with the CRC-32 of all before, which MindSpore checks on request. Default false. */
  readonly crc?: boolean;
}

const DEFAULT_SLICE_BYTES = 512 * 2 ** 20;

/**
 * Writes a MindSpore checkpoint, one tensor at a time in the given order, atomically. Holds one chunk of one tensor.
 * @throws InputError if the path cannot be written or a dtype has no name in MindSpore; RangeError if a tensor is
 *   faulty or two have one name (a fault of the caller).
 */
export function writeCkptFile(
  path: string,
  tensors: Iterable<TensorInput>,
  options: WriteCkptOptions = {},
): void {
  const { sliceBytes = DEFAULT_SLICE_BYTES, crc: withCrc = false } = options;
  const names = new Set<string>();
  let crc = 0;
  writeFileAtomic(path, (write) => {
    const append = (chunk: Uint8Array): void => {
      if (withCrc) crc = crc32(chunk, crc);
      write(chunk);
    };
    for (const tensor of tensors) {
      if (names.has(tensor.name)) throw new RangeError(`Two tensors are named ${showValue(tensor.name)}.`);
      names.add(tensor.name);
      writeTensor(tensor, append, sliceBytes, path);
    }
    if (withCrc) write(crcTail(crc));
  });
}

function writeTensor(
  tensor: TensorInput,
  write: (chunk: Uint8Array) => void,
  sliceBytes: number,
  path: string,
): void {
  const type = toCkptType(tensor.dtype);
  if (type === undefined)
    throw new InputError(
      `${path}: tensor ${showValue(tensor.name)} is ${tensor.dtype}, which a MindSpore checkpoint cannot hold ` +
        `(${ckptTypeNames()} it can). Convert it first.`,
    );
  let toCome = tensorBytes(tensor);
  let leftInSlice = Math.min(sliceBytes, toCome);
  write(sliceHead(tensor, type, leftInSlice));
  writeTensorBytes(tensor, (piece) => {
    for (let offset = 0; offset < piece.byteLength; ) {
      if (leftInSlice === 0 && toCome > 0) {
        leftInSlice = Math.min(sliceBytes, toCome);
        write(sliceHead(tensor, type, leftInSlice));
      }
      // Bytes beyond the tensor's size are passed on, too: writeTensorBytes counts and refuses them.
      const length =
        leftInSlice === 0 ? piece.byteLength - offset : Math.min(leftInSlice, piece.byteLength - offset);
      write(piece.subarray(offset, offset + length));
      offset += length;
      leftInSlice = Math.max(0, leftInSlice - length);
      toCome = Math.max(0, toCome - length);
    }
  });
}

/** All of a message Checkpoint { value: { tag, tensor: { dims, type, content } } } that stands before its content. */
function sliceHead({ name, shape }: TensorInput, type: string, contentBytes: number): Buffer {
  const { checkpoint, value, tensor } = CKPT_FIELDS;
  const tag = bytesField(value.tag, name);
  const describing = Buffer.concat([
    ...shape.map((size) => varintField(tensor.dims, size)),
    bytesField(tensor.type, type),
    lengthPrefix(tensor.content, contentBytes),
  ]);
  const tensorHead = lengthPrefix(value.tensor, describing.length + contentBytes);
  const valueBytes = tag.length + tensorHead.length + describing.length + contentBytes;
  return Buffer.concat([lengthPrefix(checkpoint.value, valueBytes), tag, tensorHead, describing]);
}

function crcTail(crc: number): Buffer {
  const number = Buffer.alloc(10);
  number.writeUInt32BE(crc, 6);
  return Buffer.concat([Buffer.from(CRC_MARK), number]);
}
