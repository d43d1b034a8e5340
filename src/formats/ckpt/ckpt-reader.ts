/** Reads MindSpore checkpoints: names, types, shapes and byte ranges of tensors. */
import { crc32 } from 'node:zlib';
import { InputError } from '../../errors/index.js';
import { type InputFile, withInputFile } from '../files/input-file.js';
import type { ByteRange } from '../files/read-ranges.js';
import { showValue } from '../files/show-value.js';
import { decodeUtf8 } from '../files/utf8.js';
import { type ProtobufFileField, walkProtobuf } from '../protobuf/protobuf-file.js';
import { dtypeBytes, elementCount } from '../tensors/file-dtype.js';
import type { FileTensor } from '../tensors/file-tensor.js';
import { CKPT_FIELDS, CRC_BYTES, CRC_MARK, ckptTypeNames, fromCkptType } from './ckpt-dtype.js';

/**
 * A MindSpore checkpoint: protobuf messages back to back (mindspore/train/checkpoint.proto). A tensor above 512 MiB
 * is cut into consecutive values of the same tag.
 */
export interface CkptFile {
  readonly path: string;
  /** Bytes. */
  readonly fileSize: number;
  /** In file order. */
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** Values of the type "str": texts that a training run notes down, such as its learning rate's name. */
  readonly texts: ReadonlyMap<string, string>;
  /** CRC-32 of the messages as the file states it; undefined if it states none. */
  readonly crc: number | undefined;
}

export interface ReadCkptOptions {
  /** Read the whole file and compare its CRC-32 with the stated one, if there is one. Default false. */
  readonly verifyCrc?: boolean;
}

const DAMAGED = 'The file is truncated or damaged; copy or convert it again.';
/** Tags, type names and texts longer than this are no such things. */
const MAX_TEXT_BYTES = 2 ** 20;
const MAX_DIMENSIONS = 64;

/**
 * Reads names, types, shapes and byte ranges of all tensors; their data stays on disk.
 * @throws InputError naming file, tensor and place for damage, an encrypted file, a map parameter and types that have
 *   no counterpart here.
 */
export function readCkptFile(path: string, options: ReadCkptOptions = {}): CkptFile {
  return withInputFile(path, (file) => parseCkpt(file, options));
}

/** readCkptFile for a file that is open already. */
export function parseCkpt(file: InputFile, options: ReadCkptOptions = {}): CkptFile {
  const { path, size } = file;
  if (size === 0) throw new InputError(`${path} is empty. ${DAMAGED}`);
  refuseEncrypted(file);
  const crc = readCrc(file);
  const end = crc === undefined ? size : size - CRC_BYTES;
  if (options.verifyCrc && crc !== undefined) verifyCrc(file, end, crc);
  const tensors = new Map<string, FileTensor>();
  const texts = new Map<string, string>();
  let current: SlicedTensor | undefined;
  const finish = (): void => {
    if (current === undefined) return;
    const { name } = current;
    if (tensors.has(name) || texts.has(name))
      throw new InputError(`${path}: ${showValue(name)} stands at two places. ${DAMAGED}`);
    if (current.type === 'str') texts.set(name, readText(file, current));
    else tensors.set(name, toFileTensor(path, current));
  };
  for (const field of walkProtobuf(file, { start: 0, end })) {
    const slice = readValue(file, field);
    if (current?.name === slice.name) joinSlice(path, current, slice);
    else {
      finish();
      current = slice;
    }
  }
  finish();
  return { path, fileSize: size, tensors, texts, crc };
}

/** One value, or several consecutive ones of one tag joined. */
interface SlicedTensor {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
  readonly ranges: ByteRange[];
  /** Where the first of them stands. */
  readonly offset: number;
}

function readValue(file: InputFile, field: ProtobufFileField): SlicedTensor {
  const { value: valueFields, checkpoint } = CKPT_FIELDS;
  if (field.number !== checkpoint.value || field.wireType !== 2)
    throw new InputError(
      `${file.path}: field ${field.number} at byte ${field.offset} is none of a MindSpore checkpoint. ` +
        'The file is damaged or of another format.',
    );
  let name: string | undefined;
  let tensor: ProtobufFileField | undefined;
  for (const part of walkProtobuf(file, field)) {
    if (part.wireType !== 2) continue;
    if (part.number === valueFields.tag) name = readString(file, part, 'a name');
    else if (part.number === valueFields.tensor) tensor = part;
    else if (part.number === valueFields.mapTensor)
      throw new InputError(
        `${file.path}: ${showValue(name)} at byte ${field.offset} is a map parameter (a hash table), not a tensor. ` +
          'Save the checkpoint without it.',
      );
  }
  if (name === undefined || tensor === undefined) {
    const missing = name === undefined ? 'name' : 'tensor';
    throw new InputError(`${file.path}: the value at byte ${field.offset} has no ${missing}. ${DAMAGED}`);
  }
  return readTensor(file, name, tensor, field.offset);
}

function readTensor(file: InputFile, name: string, field: ProtobufFileField, offset: number): SlicedTensor {
  const fields = CKPT_FIELDS.tensor;
  const dims: number[] = [];
  let type: string | undefined;
  let content: ByteRange | undefined;
  for (const part of walkProtobuf(file, field)) {
    if (part.number === fields.dims && part.wireType === 0) dims.push(part.varint);
    else if (part.number === fields.type && part.wireType === 2)
      type = readString(file, part, `the type of ${showValue(name)}`);
    else if (part.number === fields.content && part.wireType === 2)
      content = { path: file.path, start: part.start, end: part.end };
    if (dims.length > MAX_DIMENSIONS)
      throw new InputError(
        `${file.path}: tensor ${showValue(name)} has over ${MAX_DIMENSIONS} dimensions. ${DAMAGED}`,
      );
  }
  if (type !== undefined && content !== undefined) return { name, type, dims, ranges: [content], offset };
  const missing = type === undefined ? 'type' : 'data';
  throw new InputError(
    `${file.path}: tensor ${showValue(name)} at byte ${offset} has no ${missing}. ${DAMAGED}`,
  );
}

function joinSlice(path: string, whole: SlicedTensor, slice: SlicedTensor): void {
  const { name, type, dims } = whole;
  if (slice.type !== type || slice.dims.join() !== dims.join())
    throw new InputError(
      `${path}: two pieces of tensor ${showValue(name)} differ: ${showValue(type)} ${showValue(dims)} at byte ` +
        `${whole.offset}, ${showValue(slice.type)} ${showValue(slice.dims)} at byte ${slice.offset}. ${DAMAGED}`,
    );
  whole.ranges.push(...slice.ranges);
}

function toFileTensor(path: string, { name, type, dims, ranges, offset }: SlicedTensor): FileTensor {
  const dtype = fromCkptType(type);
  if (dtype === undefined)
    throw new InputError(
      `${path}: tensor ${showValue(name)} at byte ${offset} has the type ${showValue(type)}; readable are ` +
        `${ckptTypeNames()}. Convert it in MindSpore first.`,
    );
  const held = ranges.reduce((bytes, { start, end }) => bytes + end - start, 0);
  // Older versions write a scalar with the one dimension 0.
  const shape = dims.length === 1 && dims[0] === 0 && held > 0 ? [] : dims;
  const needed = elementCount([...shape, dtypeBytes(dtype)]);
  if (held !== needed)
    throw new InputError(
      `${path}: tensor ${showValue(name)} at byte ${offset}: ${type} of shape ${showValue(shape)} needs ` +
        `${needed ?? 'more than 2^53'} bytes, but ${held} are there. ${DAMAGED}`,
    );
  return { name, dtype, shape, ranges };
}

function readString(file: InputFile, { start, end, offset }: ProtobufFileField, what: string): string {
  if (end - start > MAX_TEXT_BYTES)
    throw new InputError(`${file.path}: ${what} at byte ${offset} has ${end - start} bytes. ${DAMAGED}`);
  return decodeUtf8(file.read(start, end - start), `${file.path} (${what} at byte ${offset})`);
}

/** UTF-32, little-endian: the memory of a numpy text. */
function readText(file: InputFile, { name, ranges, offset }: SlicedTensor): string {
  const bytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const fail = (problem: string): InputError =>
    new InputError(`${file.path}: the text ${showValue(name)} at byte ${offset} ${problem}. ${DAMAGED}`);
  if (bytes > MAX_TEXT_BYTES || bytes % 4 !== 0) throw fail(`has ${bytes} bytes`);
  const content = Buffer.concat(ranges.map(({ start, end }) => file.read(start, end - start)));
  let text = '';
  for (let at = 0; at < content.length; at += 4) {
    const code = content.readUInt32LE(at);
    if (code > 0x10ffff) throw fail(`has the character code ${code}`);
    text += String.fromCodePoint(code);
  }
  return text;
}

/** The first four bytes, little-endian, of the blocks of an encrypted file. */
const CIPHERS: ReadonlyMap<number, string> = new Map([
  [0x7f3a5ed8, 'AES-GCM'],
  [0x7f3a5ed9, 'AES-CBC'],
  [0x7f3a5eda, 'SM4-CBC'],
]);

function refuseEncrypted({ path, size, read }: InputFile): void {
  const cipher = size < 4 ? undefined : CIPHERS.get(read(0, 4).readUInt32LE());
  if (cipher === undefined) return;
  throw new InputError(
    `${path} is encrypted (${cipher}). Load it in MindSpore with its dec_key and save it without a key.`,
  );
}

/** The file may end with the mark and ten bytes, big-endian, of CRC-32. */
function readCrc({ size, read }: InputFile): number | undefined {
  if (size < CRC_BYTES) return undefined;
  const tail = read(size - CRC_BYTES, CRC_BYTES);
  if (tail.toString('latin1', 0, CRC_MARK.length) !== CRC_MARK) return undefined;
  return tail.readUInt32BE(CRC_BYTES - 4);
}

function verifyCrc(file: InputFile, end: number, stated: number): void {
  const chunkBytes = 2 ** 24;
  let crc = 0;
  for (let offset = 0; offset < end; offset += chunkBytes)
    crc = crc32(file.read(offset, Math.min(chunkBytes, end - offset)), crc);
  if (crc === stated) return;
  throw new InputError(
    `${file.path} has the CRC-32 ${crc.toString(16)}, but states ${stated.toString(16)}. ${DAMAGED}`,
  );
}
