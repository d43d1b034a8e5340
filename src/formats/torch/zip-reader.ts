/** Reads zip and zip64 archives. */
import { isUtf8 } from 'node:buffer';
import { inflateRawSync } from 'node:zlib';
import { InputError, messageOf } from '../../errors/index.js';
import type { InputFile } from '../files/input-file.js';
import { showValue } from '../files/show-value.js';

/** A file within a zip archive. */
export interface ZipEntry {
  readonly name: string;
  /** 0 stored as it is, 8 deflated. */
  readonly method: number;
  /** Offset of the (possibly compressed) bytes in the archive. */
  readonly start: number;
  /** Bytes in the archive. */
  readonly compressedSize: number;
  /** Bytes when unpacked. */
  readonly size: number;
}

const STORED = 0;
const DEFLATED = 8;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END64_BYTES = 56;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;
const MAX_COMMENT_BYTES = 0xffff;
/** Some two million entries; read whole. */
const MAX_DIRECTORY_BYTES = 2 ** 28;

/**
 * The entries of a zip archive by name, in the order of its central directory, with the place of their bytes.
 * Reads both zip and zip64. (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT)
 * @throws InputError for damaged archives: no central directory, sizes beyond the file, entries that overlap, two
 *   of one name, a local header that contradicts the directory; and for archives of several parts or encrypted ones.
 */
export function readZipEntries(file: InputFile): ReadonlyMap<string, ZipEntry> {
  const directory = findDirectory(file);
  const bytes = file.read(directory.start, directory.size);
  const entries = new Map<string, ZipEntry>();
  const spans: { start: number; end: number; name: string }[] = [];
  let position = 0;
  for (let index = 0; index < directory.count; index++) {
    const { record, length } = readCentral(file, bytes, position, directory.start);
    position += length;
    if (entries.has(record.name)) throw damaged(file, `two entries are named ${showValue(record.name)}`);
    const start = checkLocal(file, record);
    const end = start + record.compressedSize;
    if (end > directory.start)
      throw damaged(file, `entry ${showValue(record.name)} ends at byte ${end}, within the directory`);
    const { name, method, compressedSize, size } = record;
    entries.set(name, { name, method, start, compressedSize, size });
    spans.push({ start: record.header, end, name });
  }
  checkOverlaps(file, spans);
  return entries;
}

/**
 * The unpacked bytes of one entry.
 * @throws InputError beyond `maxBytes`, for a faulty deflate stream or a size that is not the stated one, and for
 *   other compressions
 */
export function readZipEntry(file: InputFile, entry: ZipEntry, maxBytes: number): Buffer {
  const location = `${file.path}: zip entry ${showValue(entry.name)}`;
  if (entry.size > maxBytes || entry.compressedSize > maxBytes)
    throw new InputError(
      `${location} has ${Math.max(entry.size, entry.compressedSize)} bytes; at most ${maxBytes} are accepted here.`,
    );
  const packed = file.read(entry.start, entry.compressedSize);
  if (entry.method === STORED) return packed;
  if (entry.method !== DEFLATED)
    throw new InputError(`${location} is compressed by method ${entry.method}; save it uncompressed.`);
  try {
    const bytes = inflateRawSync(packed, { maxOutputLength: Math.max(entry.size, 1) });
    if (bytes.length === entry.size) return bytes;
    throw damaged(
      file,
      `entry ${showValue(entry.name)} has ${bytes.length} bytes unpacked, ${entry.size} are stated`,
    );
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw damaged(
      file,
      `entry ${showValue(entry.name)} cannot be unpacked to ${entry.size} bytes (${messageOf(error)})`,
    );
  }
}

interface Directory {
  readonly start: number;
  readonly size: number;
  readonly count: number;
}

/** The end record lies before a comment of up to 64 KB at the end of the file. */
function findDirectory(file: InputFile): Directory {
  const tailBytes = Math.min(file.size, END_BYTES + MAX_COMMENT_BYTES + LOCATOR_BYTES);
  const tailStart = file.size - tailBytes;
  const tail = file.read(tailStart, tailBytes);
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    const isEnd =
      tail.readUInt32LE(at) === 0x06054b50 && at + END_BYTES + tail.readUInt16LE(at + 20) === tail.length;
    if (isEnd) return checkDirectory(file, readEnd(file, tail, at, tailStart), tailStart + at);
  }
  throw damaged(file, 'it has no end record (the last bytes are missing)');
}

function readEnd(file: InputFile, tail: Buffer, at: number, tailStart: number): Directory {
  const locator = at - LOCATOR_BYTES;
  if (locator >= 0 && tail.readUInt32LE(locator) === 0x07064b50) {
    const offset = safe(file, tail.readBigUInt64LE(locator + 8));
    if (offset + END64_BYTES > tailStart + locator)
      throw damaged(file, `its zip64 end record begins at byte ${offset}`);
    const end64 = file.read(offset, END64_BYTES);
    if (end64.length < END64_BYTES || end64.readUInt32LE(0) !== 0x06064b50)
      throw damaged(file, `no zip64 end record at byte ${offset}`);
    if (end64.readUInt32LE(16) !== 0 || end64.readUInt32LE(20) !== 0) throw severalParts(file);
    return {
      count: safe(file, end64.readBigUInt64LE(32)),
      size: safe(file, end64.readBigUInt64LE(40)),
      start: safe(file, end64.readBigUInt64LE(48)),
    };
  }
  if (tail.readUInt16LE(at + 4) !== 0 || tail.readUInt16LE(at + 6) !== 0) throw severalParts(file);
  return {
    count: tail.readUInt16LE(at + 10),
    size: tail.readUInt32LE(at + 12),
    start: tail.readUInt32LE(at + 16),
  };
}

function checkDirectory(file: InputFile, directory: Directory, endRecord: number): Directory {
  const { start, size, count } = directory;
  if (start + size > endRecord)
    throw damaged(file, `its directory of ${size} bytes at byte ${start} leaves the file`);
  if (size > MAX_DIRECTORY_BYTES)
    throw new InputError(
      `${file.path}: the zip directory has ${size} bytes; at most ${MAX_DIRECTORY_BYTES} are accepted.`,
    );
  if (count * CENTRAL_BYTES > size)
    throw damaged(file, `its directory of ${size} bytes cannot hold ${count} entries`);
  return directory;
}

interface CentralRecord extends Omit<ZipEntry, 'start'> {
  /** Offset of the local header. */
  readonly header: number;
}

function readCentral(
  file: InputFile,
  bytes: Buffer,
  at: number,
  base: number,
): { record: CentralRecord; length: number } {
  if (at + CENTRAL_BYTES > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50)
    throw damaged(file, `no directory record at byte ${base + at}`);
  const nameBytes = bytes.readUInt16LE(at + 28);
  const extraBytes = bytes.readUInt16LE(at + 30);
  const length = CENTRAL_BYTES + nameBytes + extraBytes + bytes.readUInt16LE(at + 32);
  if (at + length > bytes.length)
    throw damaged(file, `the directory record at byte ${base + at} leaves the directory`);
  const name = readName(file, bytes.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes), base + at);
  if ((bytes.readUInt16LE(at + 8) & 1) === 1)
    throw new InputError(
      `${file.path}: zip entry ${showValue(name)} is encrypted; unpack the archive with its password.`,
    );
  const extraStart = at + CENTRAL_BYTES + nameBytes;
  const wide = wideFields(bytes.subarray(extraStart, extraStart + extraBytes));
  const field = (offset: number): number => {
    const narrow = bytes.readUInt32LE(offset);
    if (narrow !== 0xffffffff) return narrow;
    const value = wide.shift();
    return value === undefined ? narrow : safe(file, value);
  };
  // The order of the zip64 field: size, compressed size, offset; each only where the narrow field is full.
  const size = field(at + 24);
  const compressedSize = field(at + 20);
  const header = field(at + 42);
  const method = bytes.readUInt16LE(at + 10);
  if (method === STORED && size !== compressedSize)
    throw damaged(
      file,
      `entry ${showValue(name)} is stored, but has two sizes, ${size} and ${compressedSize}`,
    );
  return { record: { name, method, size, compressedSize, header }, length };
}

/** The u64 values of the zip64 extra field (id 1). */
function wideFields(extra: Buffer): bigint[] {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    const end = Math.min(at + 4 + extra.readUInt16LE(at + 2), extra.length);
    const values: bigint[] = [];
    for (let value = at + 4; value + 8 <= end; value += 8) values.push(extra.readBigUInt64LE(value));
    return values;
  }
  return [];
}

/** The offset of an entry's bytes, behind its local header. */
function checkLocal(file: InputFile, record: CentralRecord): number {
  const header = file.read(record.header, LOCAL_BYTES);
  const location = `entry ${showValue(record.name)}: the local header at byte ${record.header}`;
  if (header.length < LOCAL_BYTES || header.readUInt32LE(0) !== 0x04034b50)
    throw damaged(file, `${location} is missing`);
  const nameBytes = header.readUInt16LE(26);
  const name = readName(file, file.read(record.header + LOCAL_BYTES, nameBytes), record.header);
  if (name !== record.name) throw damaged(file, `${location} names ${showValue(name)}`);
  if (header.readUInt16LE(8) !== record.method) throw damaged(file, `${location} states another compression`);
  const size = header.readUInt32LE(22);
  const isStated = (header.readUInt16LE(6) & 8) === 0 && size !== 0xffffffff;
  if (isStated && size !== record.size)
    throw damaged(file, `${location} states ${size} bytes, the directory ${record.size}`);
  return record.header + LOCAL_BYTES + nameBytes + header.readUInt16LE(28);
}

function checkOverlaps(file: InputFile, spans: { start: number; end: number; name: string }[]): void {
  let previous: { end: number; name: string } | undefined;
  for (const span of spans.sort((a, b) => a.start - b.start)) {
    if (previous !== undefined && span.start < previous.end)
      throw damaged(
        file,
        `entries ${showValue(previous.name)} and ${showValue(span.name)} overlap at byte ${span.start}`,
      );
    previous = span;
  }
}

function readName(file: InputFile, bytes: Buffer, offset: number): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw damaged(file, `the name at byte ${offset} is not valid UTF-8`);
}

function safe(file: InputFile, value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw damaged(file, `it states a size or offset of ${value} bytes`);
}

function damaged(file: InputFile, problem: string): InputError {
  return new InputError(
    `${file.path} is not a readable zip archive: ${problem}. It is cut off or damaged; download or save it again.`,
  );
}

function severalParts(file: InputFile): InputError {
  return new InputError(`${file.path} is one part of a zip archive in several parts; join them first.`);
}
