/** Checks Parquet pages before the library decodes them, so that damaged files fail fast. */
import { messageOf } from '../../errors/index.js';

/**
 * A check of the pages of a parquet column chunk before the library decodes them: it takes sizes, counts and run lengths
 * as they stand, and a damaged one would keep it busy, or fill the memory. Formats: parquet.thrift, Thrift's compact
 * protocol, and the hybrid of run lengths and packed bits (Encodings.md of Apache Parquet).
 */

export interface ColumnShape {
  /** Values that the chunk's metadata names. */
  readonly values: number;
  /** Highest definition and repetition level, by the schema. */
  readonly maxDefinition: number;
  readonly maxRepetition: number;
  readonly isBoolean: boolean;
}

/** @throws Error if the page is too large */
export type UnpackPage = (packed: Uint8Array, unpackedBytes: number) => Uint8Array;

/** @throws Error that says what is wrong with which page */
export function checkPages(bytes: Uint8Array, shape: ColumnShape, unpack: UnpackPage): void {
  const { values } = shape;
  const reader = new CompactReader(bytes);
  let seen = 0;
  for (let page = 1; reader.at < bytes.length - 1; page += 1) {
    try {
      const header = reader.readStruct(0);
      const unpacked = header.scalars.get(2) ?? -1;
      const packed = header.scalars.get(3) ?? -1;
      if (packed < 0 || packed > bytes.length - reader.at)
        throw new Error(`claims ${packed} bytes, ${bytes.length - reader.at} are left`);
      if (unpacked < 0) throw new Error(`claims ${unpacked} unpacked bytes`);
      const [v1, dictionary, v2] = [header.structs.get(5), header.structs.get(7), header.structs.get(8)];
      const count = (v1 ?? v2 ?? dictionary)?.scalars.get(1) ?? -1;
      // A dictionary has no more entries than bytes.
      const limit = v1 === undefined && v2 === undefined ? unpacked : values - seen;
      if (count < 0 || count > limit)
        throw new Error(`claims ${count} values, at most ${limit} are possible`);
      const body = bytes.subarray(reader.at, reader.at + packed);
      if (v1 !== undefined) checkVersion1(unpack(body, unpacked), v1, count, shape);
      else if (v2 !== undefined) checkVersion2(body, v2, count, shape, unpacked, unpack);
      if (v1 !== undefined || v2 !== undefined) seen += count;
      reader.at += packed;
    } catch (error) {
      throw new Error(`page ${page} ${messageOf(error)}`);
    }
  }
  if (seen < values) throw new Error(`the pages have ${seen} values, ${values} are named`);
}

const RLE = 3;
const DICTIONARY = new Set([2, 8]);
const DELTA_BINARY_PACKED = 5;
const DELTA_LENGTH_BYTE_ARRAY = 6;
const DELTA_BYTE_ARRAY = 7;
/** Of the values of a page, their shared beginnings written out. */
const MAX_PAGE_VALUE_BYTES = 2 ** 28;

/** Levels with their length before them, then the values, all packed together. */
function checkVersion1(page: Uint8Array, { scalars }: Struct, count: number, shape: ColumnShape): void {
  let rest = page;
  for (const maxLevel of [shape.maxRepetition, shape.maxDefinition]) {
    if (maxLevel === 0) continue;
    const length = lengthBefore(rest);
    checkLevels(rest.subarray(4, 4 + length), maxLevel, count);
    rest = rest.subarray(4 + length);
  }
  checkValues(rest, scalars.get(2) ?? -1, count, shape);
}

/** Levels as they are, their lengths in the header; the values may be packed. */
function checkVersion2(
  body: Uint8Array,
  { scalars }: Struct,
  count: number,
  shape: ColumnShape,
  unpacked: number,
  unpack: UnpackPage,
): void {
  const [nulls = 0, rows = 0, encoding = -1] = [scalars.get(2), scalars.get(3), scalars.get(4)];
  const [definition = 0, repetition = 0] = [scalars.get(5), scalars.get(6)];
  const levels = definition + repetition;
  if (nulls < 0 || nulls > count || rows < 0 || rows > count)
    throw new Error('claims more nulls or rows than values');
  if (definition < 0 || repetition < 0 || levels > body.length || levels > unpacked)
    throw new Error('claims more bytes of levels than it has');
  if (shape.maxRepetition > 0) checkLevels(body.subarray(0, repetition), shape.maxRepetition, count);
  if (shape.maxDefinition > 0) checkLevels(body.subarray(repetition, levels), shape.maxDefinition, count);
  const values = body.subarray(levels);
  const isPacked = scalars.get(7) !== 0;
  checkValues(isPacked ? unpack(values, unpacked - levels) : values, encoding, count, shape);
}

/** Plain values and split bytes end with the page; runs, deltas and prefixes can claim more than they hold. */
function checkValues(bytes: Uint8Array, encoding: number, count: number, { isBoolean }: ColumnShape): void {
  if (encoding === RLE) {
    if (!isBoolean) throw new Error('has run lengths for values that are not truth values');
    lengthBefore(bytes);
    // The library reads on beyond that length.
    checkRuns(bytes.subarray(4), 1, count);
  } else if (encoding === DELTA_BINARY_PACKED && bytes.length > 0) {
    checkDeltas(bytes, count);
  } else if (encoding === DELTA_LENGTH_BYTE_ARRAY && bytes.length > 0) {
    const { values, end } = readLengths(bytes, count);
    checkTotal(values, bytes.length - end);
  } else if (encoding === DELTA_BYTE_ARRAY && bytes.length > 0) {
    const prefixes = readLengths(bytes, count);
    const suffixes = readLengths(bytes.subarray(prefixes.end), count);
    checkPrefixes(prefixes.values, suffixes.values);
    checkTotal(suffixes.values, bytes.length - prefixes.end - suffixes.end);
  } else if (DICTIONARY.has(encoding) && bytes.length > 0) {
    checkRuns(bytes.subarray(1), bytes[0]!, count);
  }
}

function lengthBefore(bytes: Uint8Array): number {
  const length = bytes.length < 4 ? -1 : Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32LE(0);
  if (length < 0 || length > bytes.length - 4)
    throw new Error(`claims ${length} bytes of runs, ${bytes.length} are left`);
  return length;
}

/** Groups of packed bits may reach beyond the last value; writers fill them up by some. */
const PADDING = 4096;

/** Levels must be there for every value: the library would read on beyond them. */
function checkLevels(bytes: Uint8Array, maxLevel: number, count: number): void {
  const seen = checkRuns(bytes, 32 - Math.clz32(maxLevel), count);
  if (seen < count) throw new Error(`has levels for ${seen} values of ${count}`);
}

/** How many values the runs have. */
function checkRuns(bytes: Uint8Array, width: number, count: number): number {
  if (width > 32) throw new Error(`claims values of ${width} bits`);
  const reader = new CompactReader(bytes);
  let seen = 0;
  while (seen < count && reader.at < bytes.length) {
    const header = reader.readVarint();
    const isPacked = header % 2 === 1;
    const run = isPacked ? ((header - 1) / 2) * 8 : header / 2;
    if (run > count - seen + (isPacked ? PADDING : 0))
      throw new Error(`has a run of ${run} values, ${count - seen} are left`);
    reader.at += isPacked ? (run / 8) * width : (width + 7) >> 3;
    seen += run;
  }
  return seen;
}

const MAX_BLOCK_VALUES = 65_536;

/** Blocks of miniblocks: a smallest delta, the miniblocks' bit widths, their packed bits. The last may be cut off. */
function checkDeltas(bytes: Uint8Array, count: number): void {
  const reader = new CompactReader(bytes);
  const blockValues = reader.readVarint();
  const miniblocks = reader.readVarint();
  const miniblockValues = blockValues / miniblocks;
  if (!(blockValues > 0 && blockValues <= MAX_BLOCK_VALUES && miniblocks > 0 && miniblockValues % 32 === 0))
    throw new Error(`claims blocks of ${blockValues} deltas in ${miniblocks} miniblocks`);
  reader.readVarint();
  reader.readVarint();
  for (let seen = 1; seen < count && reader.at < bytes.length; seen += blockValues) {
    reader.readVarint();
    const widths = bytes.subarray(reader.at, reader.at + miniblocks);
    reader.at += miniblocks;
    for (const width of widths) {
      // Miniblocks after the last value have a width and no bits.
      if (reader.at >= bytes.length) break;
      if (width > 64) throw new Error(`claims deltas of ${width} bits`);
      reader.at += (miniblockValues / 8) * width;
    }
  }
}

/** Lengths of texts, decoded: what follows them lies where they say. */
function readLengths(bytes: Uint8Array, count: number): { values: readonly number[]; end: number } {
  checkDeltas(bytes, count);
  const reader = new CompactReader(bytes);
  const blockValues = reader.readVarint();
  const miniblocks = reader.readVarint();
  const total = reader.readVarint();
  let value = zigzag(reader.readVarint());
  if (total > count) throw new Error(`claims ${total} lengths, at most ${count} are possible`);
  const values: number[] = total === 0 ? [] : [value];
  while (values.length < total) {
    const min = zigzag(reader.readVarint());
    const widths = bytes.subarray(reader.at, reader.at + miniblocks);
    reader.at += miniblocks;
    for (const width of widths) {
      if (values.length >= total) break;
      const start = reader.at;
      const inBlock = blockValues / miniblocks;
      if (start + (inBlock / 8) * width > bytes.length) throw new Error('is cut off');
      for (let index = 0; index < inBlock && values.length < total; index += 1) {
        value += min + bitsAt(bytes, start, index * width, width);
        values.push(value);
      }
      reader.at = start + (inBlock / 8) * width;
    }
  }
  const strange = values.find((length) => !(Number.isSafeInteger(length) && length >= 0));
  if (strange !== undefined) throw new Error(`claims a text of ${strange} bytes`);
  return { values, end: reader.at };
}

/** `width` bits, the lowest first, from bit `from` of the bytes at `start`. */
function bitsAt(bytes: Uint8Array, start: number, from: number, width: number): number {
  let value = 0;
  for (let taken = 0; taken < width; ) {
    const bit = from + taken;
    const offset = bit % 8;
    const some = Math.min(8 - offset, width - taken);
    value += (((bytes[start + (bit - offset) / 8] ?? 0) >> offset) & (2 ** some - 1)) * 2 ** taken;
    taken += some;
  }
  return value;
}

function checkTotal(lengths: readonly number[], available: number): void {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total > available) throw new Error(`claims ${total} bytes of texts, ${available} are left`);
}

/** Each text begins as the one before it, for as many bytes as its prefix says. */
function checkPrefixes(prefixes: readonly number[], suffixes: readonly number[]): void {
  if (prefixes.length !== suffixes.length)
    throw new Error(`has ${prefixes.length} beginnings and ${suffixes.length} ends of texts`);
  let [before, total] = [0, 0];
  for (const [index, prefix] of prefixes.entries()) {
    if (prefix > before) throw new Error(`claims ${prefix} bytes of a text of ${before}`);
    before = prefix + (suffixes[index] ?? 0);
    total += before;
  }
  if (total > MAX_PAGE_VALUE_BYTES)
    throw new Error(`claims ${total} bytes of texts; at most ${MAX_PAGE_VALUE_BYTES} are read`);
}

interface Struct {
  /** Whole numbers by field number. */
  readonly scalars: ReadonlyMap<number, number>;
  readonly structs: ReadonlyMap<number, Struct>;
}

const MAX_DEPTH = 8;

class CompactReader {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  readStruct(depth: number): Struct {
    if (depth > MAX_DEPTH) throw new Error('has a header that is nested too deep');
    const scalars = new Map<number, number>();
    const structs = new Map<number, Struct>();
    for (let field = 0; ; ) {
      const head = this.#byte();
      if (head === 0) return { scalars, structs };
      field = head >> 4 === 0 ? zigzag(this.readVarint()) : field + (head >> 4);
      const type = head & 15;
      if (type === 12) structs.set(field, this.readStruct(depth + 1));
      else {
        const value = this.#readValue(type, depth);
        if (value !== undefined) scalars.set(field, value);
      }
    }
  }

  /** A whole number or truth value; undefined for what is skipped. */
  #readValue(type: number, depth: number): number | undefined {
    switch (type) {
      case 1:
        return 1;
      case 2:
        return 0;
      case 3:
        this.#byte();
        return undefined;
      case 4:
      case 5:
      case 6:
        return zigzag(this.readVarint());
      case 7:
        this.#skip(8);
        return undefined;
      case 8:
        this.#skip(this.readVarint());
        return undefined;
      case 9:
      case 10:
        return this.#skipList(depth);
      case 12:
        this.readStruct(depth + 1);
        return undefined;
      default:
        throw new Error(`has a header with a field of the unknown type ${type}`);
    }
  }

  #skipList(depth: number): undefined {
    if (depth > MAX_DEPTH) throw new Error('has a header that is nested too deep');
    const head = this.#byte();
    const size = head >> 4 === 15 ? this.readVarint() : head >> 4;
    if (size > this.#bytes.length - this.at) throw new Error('has a header with a list beyond its end');
    for (let item = 0; item < size; item += 1) {
      // In a list a truth value has a byte of its own.
      const type = head & 15;
      this.#readValue(type <= 2 ? 3 : type, depth + 1);
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) throw new Error('is cut off');
    this.at += 1;
    return byte;
  }

  #skip(count: number): void {
    if (count > this.#bytes.length - this.at) throw new Error('is cut off');
    this.at += count;
  }

  /** Of 64 bits; beyond 2^53 inexact, which no limit lets pass. */
  readVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 10; shift += 1) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 128 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('has a number of more than 64 bits');
  }
}

function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
