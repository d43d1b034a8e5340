/** Writes zip archives as torch.save lays them out. */
import { crc32 } from 'node:zlib';
import type { WriteChunk } from '../files/atomic-write.js';

const LIMIT32 = 0xffffffff;
const LIMIT16 = 0xffff;
/** Bytes stored as they are follow, with size and CRC behind them (bit 3); names are UTF-8 (bit 11). */
const FLAGS_EMPTY = 0x0800;
const FLAGS = 0x0808;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
/** Field id and length of an extra field. */
const EXTRA_HEAD_BYTES = 4;
/** Version needed to extract: 4.5 brought zip64. */
const VERSION_ZIP64 = 45;

interface WrittenEntry {
  readonly name: Buffer;
  readonly header: number;
  readonly size: number;
  readonly crc: number;
}

/**
 * Writes an archive of uncompressed entries front to back, zip64 where sizes ask for it. Headers are laid out as by
 * torch.save, byte for byte: each entry's bytes begin at a multiple of `alignment`, filled up by an extra field "FB",
 * so that torch can reckon where storages lie without reading headers. The CRC is computed while the bytes pass and
 * stands in the data descriptor behind them and in the directory.
 */
export class ZipWriter {
  readonly #entries: WrittenEntry[] = [];
  #position = 0;

  constructor(
    readonly write: WriteChunk,
    readonly alignment = 64,
  ) {}

  /**
   * One entry; `fill` hands over its bytes, `size` in all.
   * @returns the CRC-32 of the bytes
   */
  entry(name: string, size: number, fill: (write: (chunk: Uint8Array) => void) => void): number {
    const encoded = Buffer.from(name);
    const header = this.#position;
    this.#append(this.#localHeader(encoded, size));
    const start = this.#position;
    let crc = 0;
    fill((chunk) => {
      crc = crc32(chunk, crc);
      this.#append(chunk);
    });
    if (this.#position - start !== size)
      throw new RangeError(`Zip entry ${name}: ${size} bytes announced, ${this.#position - start} written.`);
    if (size > 0) this.#append(descriptor(crc, size, header));
    this.#entries.push({ name: encoded, header, size, crc });
    return crc;
  }

  /** The directory, which ends the archive. */
  finish(): void {
    const start = this.#position;
    for (const entry of this.#entries) this.#append(centralRecord(entry));
    const size = this.#position - start;
    const count = this.#entries.length;
    if (count >= LIMIT16 || start >= LIMIT32 || size >= LIMIT32) this.#append(end64(count, size, start));
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(Math.min(count, LIMIT16), 8);
    end.writeUInt16LE(Math.min(count, LIMIT16), 10);
    end.writeUInt32LE(Math.min(size, LIMIT32), 12);
    end.writeUInt32LE(Math.min(start, LIMIT32), 16);
    this.#append(end);
  }

  #append(chunk: Uint8Array): void {
    this.write(chunk);
    this.#position += chunk.byteLength;
  }

  #localHeader(name: Buffer, size: number): Uint8Array {
    const wide = wideField(size, this.#position);
    const unpadded = this.#position + LOCAL_BYTES + name.length + wide.length + EXTRA_HEAD_BYTES;
    const padding = Buffer.alloc(
      EXTRA_HEAD_BYTES + ((this.alignment - (unpadded % this.alignment)) % this.alignment),
      'Z',
    );
    padding.write('FB', 0, 'latin1');
    padding.writeUInt16LE(padding.length - EXTRA_HEAD_BYTES, 2);
    const header = Buffer.alloc(LOCAL_BYTES);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(wide.length > 0 ? VERSION_ZIP64 : 0, 4);
    header.writeUInt16LE(size > 0 ? FLAGS : FLAGS_EMPTY, 6);
    if (size >= LIMIT32) header.fill(0xff, 18, 26);
    header.writeUInt16LE(name.length, 26);
    header.writeUInt16LE(wide.length + padding.length, 28);
    return Buffer.concat([header, name, wide, padding]);
  }
}

/** The zip64 extra field: size and compressed size, then offset, each pair or value only where it is full in 32 bits. */
function wideField(size: number, header: number): Buffer {
  const values = [...(size >= LIMIT32 ? [size, size] : []), ...(header >= LIMIT32 ? [header] : [])];
  if (values.length === 0) return Buffer.alloc(0);
  const field = Buffer.alloc(EXTRA_HEAD_BYTES + 8 * values.length);
  field.writeUInt16LE(1, 0);
  field.writeUInt16LE(8 * values.length, 2);
  for (const [index, value] of values.entries())
    field.writeBigUInt64LE(BigInt(value), EXTRA_HEAD_BYTES + 8 * index);
  return field;
}

/** Sizes are 64 bits wide when the entry is large or begins beyond 4 GB, as torch expects. */
function descriptor(crc: number, size: number, header: number): Uint8Array {
  const wide = size >= LIMIT32 || header >= LIMIT32;
  const bytes = Buffer.alloc(wide ? 24 : 16);
  bytes.writeUInt32LE(0x08074b50, 0);
  bytes.writeUInt32LE(crc, 4);
  if (wide) {
    bytes.writeBigUInt64LE(BigInt(size), 8);
    bytes.writeBigUInt64LE(BigInt(size), 16);
  } else {
    bytes.writeUInt32LE(size, 8);
    bytes.writeUInt32LE(size, 12);
  }
  return bytes;
}

function centralRecord({ name, header, size, crc }: WrittenEntry): Uint8Array {
  const wide = wideField(size, header);
  const record = Buffer.alloc(CENTRAL_BYTES);
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE(wide.length > 0 ? VERSION_ZIP64 : 0, 6);
  record.writeUInt16LE(size > 0 ? FLAGS : FLAGS_EMPTY, 8);
  record.writeUInt32LE(crc, 16);
  record.writeUInt32LE(Math.min(size, LIMIT32), 20);
  record.writeUInt32LE(Math.min(size, LIMIT32), 24);
  record.writeUInt16LE(name.length, 28);
  record.writeUInt16LE(wide.length, 30);
  record.writeUInt32LE(Math.min(header, LIMIT32), 42);
  return Buffer.concat([record, name, wide]);
}

/** The zip64 end record and its locator. */
function end64(count: number, size: number, start: number): Uint8Array {
  const bytes = Buffer.alloc(56 + 20);
  bytes.writeUInt32LE(0x06064b50, 0);
  bytes.writeBigUInt64LE(44n, 4);
  bytes.writeUInt16LE(VERSION_ZIP64, 12);
  bytes.writeUInt16LE(VERSION_ZIP64, 14);
  bytes.writeBigUInt64LE(BigInt(count), 24);
  bytes.writeBigUInt64LE(BigInt(count), 32);
  bytes.writeBigUInt64LE(BigInt(size), 40);
  bytes.writeBigUInt64LE(BigInt(start), 48);
  bytes.writeUInt32LE(0x07064b50, 56);
  bytes.writeBigUInt64LE(BigInt(start + size), 64);
  bytes.writeUInt32LE(1, 72);
  return bytes;
}
