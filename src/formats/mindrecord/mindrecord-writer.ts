/** Writes MindRecord data sets row by row. */
import { basename, dirname, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { AtomicFileSet, type PendingFile } from '../files/atomic-file-set.js';
import { encodeMindRecordHeader } from './mindrecord-header.js';
import { buildMindRecordIndex } from './mindrecord-index.js';
import { MindRecordPages } from './mindrecord-pages.js';
import { encodeRow, type MindRecordInputRow } from './mindrecord-row.js';
import { checkColumns, isBlobColumn, type MindRecordColumn } from './mindrecord-schema.js';

export interface MindRecordOptions {
  /** Files to spread the rows over, 1 to 1000. Default 1. */
  readonly shards?: number;
  /** Bytes kept for the header, 16 KiB to 128 MiB in steps of 4. Default 16 MiB. */
  readonly headerBytes?: number;
  /** Bytes of a page, 32 KiB to 256 MiB in steps of 4; the largest row must fit in. Default 32 MiB. */
  readonly pageBytes?: number;
  /** A text for the schema. Default empty. */
  readonly description?: string;
}

/** Of rows not yet written, over all shards. */
const BUFFER_BYTES = 2 ** 22;

/**
 * Writes a MindRecord data set row by row: one file at `path`, or `path0` … `pathN` (numbers of equal width) for
 * several shards, each with its index `.db`. Row i goes to shard i mod N, so that the order of reading is that of
 * writing for one shard only. Nothing stands under the final names before commit; the gaps of unfilled pages take no
 * place on most file systems.
 */
export class MindRecordWriter {
  readonly #columns: readonly MindRecordColumn[];
  readonly #headerBytes: number;
  readonly #pageBytes: number;
  readonly #description: string;
  readonly #files = new AtomicFileSet();
  readonly #shards: readonly { readonly file: PendingFile; readonly pages: MindRecordPages }[];
  #rowCount = 0;
  #savedBytes = 0;

  /** @throws InputError for options and columns that MindSpore refuses, and if the path cannot be written */
  constructor(path: string, columns: readonly MindRecordColumn[], options: MindRecordOptions = {}) {
    const { shards = 1, headerBytes = 2 ** 24, pageBytes = 2 ** 25, description = '' } = options;
    checkRange(path, 'shards', shards, 1, 1000, 1);
    checkRange(path, 'header bytes', headerBytes, 2 ** 14, 2 ** 27, 4);
    checkRange(path, 'page bytes', pageBytes, 2 ** 15, 2 ** 28, 4);
    this.#columns = checkColumns(path, columns);
    this.#headerBytes = headerBytes;
    this.#pageBytes = pageBytes;
    this.#description = description;
    try {
      this.#shards = shardNames(basename(path), shards).map((name) => {
        const file = this.#files.create(join(dirname(path), name));
        return { file, pages: new MindRecordPages(file, headerBytes, pageBytes, BUFFER_BYTES / shards) };
      });
    } catch (error) {
      this.#files.abort();
      throw error;
    }
  }

  /** Rows added so far. */
  get rowCount(): number {
    return this.#rowCount;
  }

  /**
   * Adds a row; it must have a value for each column.
   * @throws InputError if it is larger than a page or the file cannot be written; RangeError for an unfit value
   */
  add(row: MindRecordInputRow): void {
    const encoded = encodeRow(this.#columns, row);
    if (encoded.blob.length === 0)
      throw new RangeError(
        `Row ${this.#rowCount} is empty in the only column of bytes, which the format cannot hold.`,
      );
    const shard = this.#shards[this.#rowCount % this.#shards.length];
    shard?.pages.add(encoded);
    this.#rowCount++;
    this.#savedBytes += encoded.savedBytes;
  }

  /**
   * Completes the files, builds their indices and gives all their final names. No row can be added afterwards; after a
   * failure nothing is left.
   * @returns the paths of the shards, without the indices
   */
  async commit(): Promise<string[]> {
    try {
      const shardNames = this.#shards.map(({ file }) => basename(file.path));
      for (const [shardId, { file, pages }] of this.#shards.entries()) {
        const header = encodeMindRecordHeader(file.path, {
          headerBytes: this.#headerBytes,
          pageBytes: this.#pageBytes,
          shardId,
          shardNames,
          columns: this.#columns,
          description: this.#description,
          indexFields: this.#columns.filter((column) => !isBlobColumn(column)).map(({ name }) => name),
          savedBytes: Math.max(0, this.#savedBytes),
          pages: pages.finish(),
        });
        file.write(header, 0);
      }
      for (const { file } of this.#shards) {
        const index = this.#files.create(`${file.path}.db`);
        index.write(await buildMindRecordIndex(file.temporary, basename(file.path)), 0);
      }
      this.#files.commit();
      return this.#shards.map(({ file }) => file.path);
    } finally {
      this.#files.abort();
    }
  }

  /** Gives up: removes what was written. Does nothing after commit. */
  abort(): void {
    this.#files.abort();
  }
}

/**
 * Writes all rows of an iterable; after a failure nothing is left.
 * @returns the paths of the shards, without their indices
 */
export async function writeMindRecord(
  path: string,
  columns: readonly MindRecordColumn[],
  rows: Iterable<MindRecordInputRow> | AsyncIterable<MindRecordInputRow>,
  options: MindRecordOptions = {},
): Promise<string[]> {
  const writer = new MindRecordWriter(path, columns, options);
  try {
    for await (const row of rows) writer.add(row);
    return await writer.commit();
  } finally {
    writer.abort();
  }
}

function shardNames(name: string, count: number): string[] {
  if (count === 1) return [name];
  const digits = String(count - 1).length;
  return Array.from({ length: count }, (_, index) => `${name}${String(index).padStart(digits, '0')}`);
}

function checkRange(path: string, what: string, value: number, min: number, max: number, step: number): void {
  if (Number.isInteger(value) && value >= min && value <= max && value % step === 0) return;
  const steps = step === 1 ? '' : ` in steps of ${step}`;
  throw new InputError(`${path}: ${what} must be ${min} to ${max}${steps}, got ${value}.`);
}
