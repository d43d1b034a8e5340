/** Reads the header of safetensors files. */
import { InputError } from '../../errors/index.js';
import { type InputFile, withInputFile } from '../files/input-file.js';
import { showValue } from '../files/show-value.js';
import { decodeUtf8 } from '../files/utf8.js';
import { parseJson } from '../records/read-json.js';
import {
  dtypeBytes,
  elementCount,
  fromSafetensorsDtype,
  safetensorsDtypeNames,
} from '../tensors/file-dtype.js';
import type { TensorDescription } from '../tensors/file-tensor.js';

/**
 * The header of a safetensors file: u64 little-endian length, then that many bytes of JSON
 * {name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__"?: {text: text}}, then the data, to which the
 * offsets are relative. (https://github.com/huggingface/safetensors#format)
 */
export interface SafetensorsFile {
  readonly path: string;
  /** Bytes. */
  readonly fileSize: number;
  /** Offset of the data in the file. */
  readonly dataStart: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

export interface SafetensorsEntry extends TensorDescription {
  /** Offset in the file. Valid files need not align it to the element size. */
  readonly byteStart: number;
  /** Offset in the file, exclusive. */
  readonly byteEnd: number;
}

const LENGTH_BYTES = 8;
/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
const DAMAGED = 'The file is truncated or damaged; download or convert it again.';

/**
 * Reads and checks the header; the data stays on disk.
 * @throws InputError naming file, tensor, value and way out for everything that the reference implementation
 *   refuses: a header beyond the file, faulty JSON, unknown dtypes, bytes that no tensor or two tensors claim.
 */
export function readSafetensorsHeader(path: string): SafetensorsFile {
  return withInputFile(path, parseSafetensorsHeader);
}

/** readSafetensorsHeader for a file that is open already. */
export function parseSafetensorsHeader(file: InputFile): SafetensorsFile {
  const { path, size: fileSize } = file;
  const { text, dataStart } = readHeaderText(file);
  const fields = parseJson(text, `${path} (safetensors header)`, { uniqueKeys: true });
  if (!isRecord(fields)) throw new InputError(`${path}: the header is not a JSON object. ${DAMAGED}`);
  const entries = Object.entries(fields)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => readEntry(path, name, value, dataStart));
  const metadata = readMetadata(path, fields);
  return { path, fileSize, dataStart, metadata, tensors: orderByBytes(path, entries, dataStart, fileSize) };
}

function readHeaderText(file: InputFile): { text: string; dataStart: number } {
  const { path, size } = file;
  const prefix = file.read(0, LENGTH_BYTES);
  if (prefix.length < LENGTH_BYTES) {
    throw new InputError(`${path} has ${size} bytes, too few for a safetensors file. ${DAMAGED}`);
  }
  const length = prefix.readBigUInt64LE();
  if (length > BigInt(size - LENGTH_BYTES)) {
    throw new InputError(
      `${path}: the header claims ${length} bytes at offset 8, but the file has ${size}. ${DAMAGED} ` +
        'If it is another format (.bin, .ckpt), it is not safetensors.',
    );
  }
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new InputError(
      `${path}: the header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are accepted.`,
    );
  }
  const bytes = file.read(LENGTH_BYTES, Number(length));
  if (bytes[0] !== '{'.charCodeAt(0)) {
    const found = bytes.length === 0 ? 'nothing' : `0x${bytes.toString('hex', 0, 1)}`;
    throw new InputError(`${path}: the header must begin with '{' at offset 8, found ${found}. ${DAMAGED}`);
  }
  return {
    text: decodeUtf8(bytes, `${path} (safetensors header)`),
    dataStart: LENGTH_BYTES + Number(length),
  };
}

function readMetadata(path: string, fields: Readonly<Record<string, unknown>>): Record<string, string> {
  const metadata = fields.__metadata__;
  // The reference reads null, too, as none.
  if (metadata === undefined || metadata === null) return {};
  if (!isRecord(metadata)) {
    throw new InputError(
      `${path}: __metadata__ must be an object of texts, found ${showValue(metadata)}. ${DAMAGED}`,
    );
  }
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => {
      if (typeof value === 'string') return [key, value];
      throw new InputError(
        `${path}: __metadata__[${showValue(key)}] must be a text, found ${showValue(value)}. ${DAMAGED}`,
      );
    }),
  );
}

function readEntry(path: string, name: string, value: unknown, dataStart: number): SafetensorsEntry {
  const fail = (problem: string): InputError =>
    new InputError(`${path}: tensor ${showValue(name)}: ${problem}. ${DAMAGED}`);
  if (!isRecord(value)) throw fail(`expected an object, found ${showValue(value)}`);

  const dtype = fromSafetensorsDtype(value.dtype);
  if (dtype === undefined) {
    throw new InputError(
      `${path}: tensor ${showValue(name)}: unknown dtype ${showValue(value.dtype)}; ` +
        `readable are ${safetensorsDtypeNames()}. Convert the file to one of them.`,
    );
  }
  const { shape, data_offsets: offsets } = value;
  if (!isSizes(shape))
    throw fail(`shape must be a list of integers from 0 to 2^53 - 1, found ${showValue(shape)}`);
  if (!isSizes(offsets)) throw fail(`data_offsets must be two integers from 0, found ${showValue(offsets)}`);
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || offsets.length !== 2 || begin > end) {
    throw fail(`data_offsets must be [begin, end] with begin <= end, found ${showValue(offsets)}`);
  }
  const bytes = elementCount([...shape, dtypeBytes(dtype)]);
  if (bytes === undefined) throw fail(`shape ${showValue(shape)} has more bytes than 2^53`);
  if (end - begin !== bytes) {
    throw fail(
      `${value.dtype} of shape ${showValue(shape)} needs ${bytes} bytes, data_offsets ${showValue(offsets)} hold ${end - begin}`,
    );
  }
  return { name, dtype, shape, byteStart: dataStart + begin, byteEnd: dataStart + end };
}

/** Sorted by position; every byte of the data must belong to exactly one tensor. */
function orderByBytes(
  path: string,
  entries: readonly SafetensorsEntry[],
  dataStart: number,
  fileSize: number,
): Map<string, SafetensorsEntry> {
  const sorted = entries.toSorted((a, b) => a.byteStart - b.byteStart || a.byteEnd - b.byteEnd);
  let reached = dataStart;
  for (const { name, byteStart, byteEnd } of sorted) {
    if (byteEnd > fileSize) {
      throw new InputError(
        `${path}: tensor ${showValue(name)} ends at byte ${byteEnd}, but the file has ${fileSize}. ${DAMAGED}`,
      );
    }
    if (byteStart !== reached) {
      const fault = byteStart < reached ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw new InputError(
        `${path}: tensor ${showValue(name)} begins at byte ${byteStart} and ${fault}, ` +
          `which ends at byte ${reached}. ${DAMAGED}`,
      );
    }
    reached = byteEnd;
  }
  if (reached !== fileSize) {
    throw new InputError(
      `${path}: the tensors end at byte ${reached}, but the file has ${fileSize}; the rest belongs to none. ${DAMAGED}`,
    );
  }
  return new Map(sorted.map((entry) => [entry.name, entry]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
