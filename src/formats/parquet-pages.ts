/**
 * A check of the page headers of a parquet column chunk (Thrift's compact protocol, parquet.thrift), before the library
 * decodes them: it takes sizes and counts as they stand, and a negative or huge one would keep it busy for ever.
 */

export interface PageLimits {
  /** Most bytes of a page, unpacked. */
  readonly pageBytes: number;
  /** Values that the chunk's metadata names. */
  readonly values: number;
}

/** @throws Error that says what is wrong with which page */
export function checkPages(bytes: Uint8Array, { pageBytes, values }: PageLimits): void {
  const reader = new CompactReader(bytes);
  let seen = 0;
  for (let page = 1; reader.at < bytes.length - 1 && seen < values; page += 1) {
    const { scalars, structs } = reader.readStruct(0);
    const unpacked = scalars.get(2) ?? -1;
    const packed = scalars.get(3) ?? -1;
    if (packed < 0 || packed > bytes.length - reader.at)
      throw new Error(`page ${page} claims ${packed} bytes, ${bytes.length - reader.at} are left`);
    if (unpacked < 0 || unpacked > pageBytes)
      throw new Error(`page ${page} claims ${unpacked} unpacked bytes; at most ${pageBytes} are read`);
    const data = structs.get(5) ?? structs.get(8);
    const count = (data ?? structs.get(7))?.scalars.get(1) ?? -1;
    // A dictionary has no more entries than bytes.
    const limit = data === undefined ? unpacked : values - seen;
    if (count < 0 || count > limit)
      throw new Error(`page ${page} claims ${count} values, at most ${limit} are possible`);
    checkLevels(structs.get(8), page, count, packed, unpacked);
    if (data !== undefined) seen += count;
    reader.at += packed;
  }
  if (seen < values) throw new Error(`the pages have ${seen} values, ${values} are named`);
}

/** Of version 2 of a data page: nulls, rows and the bytes of levels lie within the page. */
function checkLevels(
  v2: Struct | undefined,
  page: number,
  count: number,
  packed: number,
  unpacked: number,
): void {
  if (v2 === undefined) return;
  const [nulls = 0, rows = 0] = [v2.scalars.get(2), v2.scalars.get(3)];
  const [definition = 0, repetition = 0] = [v2.scalars.get(5), v2.scalars.get(6)];
  const isWithin = (value: number, limit: number): boolean => value >= 0 && value <= limit;
  const levels = definition + repetition;
  if (!isWithin(nulls, count) || !isWithin(rows, count))
    throw new Error(`page ${page} claims more nulls or rows than values`);
  if (definition < 0 || repetition < 0 || levels > packed || levels > unpacked)
    throw new Error(`page ${page} claims more bytes of levels than it has`);
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
    if (depth > MAX_DEPTH) throw new Error('a page header is nested too deep');
    const scalars = new Map<number, number>();
    const structs = new Map<number, Struct>();
    for (let field = 0; ; ) {
      const head = this.#byte();
      if (head === 0) return { scalars, structs };
      field = head >> 4 === 0 ? zigzag(this.#varint()) : field + (head >> 4);
      const type = head & 15;
      if (type === 12) structs.set(field, this.readStruct(depth + 1));
      else {
        const value = this.#readValue(type, depth);
        if (value !== undefined) scalars.set(field, value);
      }
    }
  }

  /** A whole number; undefined for what is skipped. */
  #readValue(type: number, depth: number): number | undefined {
    switch (type) {
      case 1:
      case 2:
        return undefined;
      case 3:
        this.#byte();
        return undefined;
      case 4:
      case 5:
      case 6:
        return zigzag(this.#varint());
      case 7:
        this.#skip(8);
        return undefined;
      case 8:
        this.#skip(this.#varint());
        return undefined;
      case 9:
      case 10:
        return this.#skipList(depth);
      case 12:
        this.readStruct(depth + 1);
        return undefined;
      default:
        throw new Error(`a page header has a field of the unknown type ${type}`);
    }
  }

  #skipList(depth: number): undefined {
    if (depth > MAX_DEPTH) throw new Error('a page header is nested too deep');
    const head = this.#byte();
    const size = head >> 4 === 15 ? this.#varint() : head >> 4;
    if (size > this.#bytes.length - this.at) throw new Error('a page header has a list beyond its end');
    for (let item = 0; item < size; item += 1) {
      // In a list a truth value has a byte of its own.
      const type = head & 15;
      this.#readValue(type <= 2 ? 3 : type, depth + 1);
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) throw new Error('a page header is cut off');
    this.at += 1;
    return byte;
  }

  #skip(count: number): void {
    if (count > this.#bytes.length - this.at) throw new Error('a page header is cut off');
    this.at += count;
  }

  /** Of 64 bits; beyond 2^53 inexact, which no limit lets pass. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 10; shift += 1) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 128 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('a page header has a number of more than 64 bits');
  }
}

function zigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
