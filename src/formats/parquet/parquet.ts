/** Rows of Apache Parquet files, row group by row group; decoding and codecs are the libraries'. */
import { isUtf8 } from 'node:buffer';
import { closeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import {
  type AsyncBuffer,
  type ColumnMetaData,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaElement,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { messageOf } from '../../errors/index.js';
import { openInputFile, readFully, withInputFile } from '../files/input-file.js';
import { decodeUtf8 } from '../files/utf8.js';
import { RecordFault, type RecordItem, tooLong } from '../records/record-file-fault.js';
import { checkPages } from './parquet-pages.js';

const MAGIC = 'PAR1';

export function isParquet(start: Uint8Array): boolean {
  return Buffer.from(start.subarray(0, 4)).toString('latin1') === MAGIC;
}

/** A row group is decoded as a whole, so a file must keep them below this (writers aim at 128 MiB). */
const MAX_ROW_GROUP_BYTES = 2 ** 30;
const MAX_PAGE_BYTES = 2 ** 28;
const MAX_FOOTER_BYTES = 2 ** 28;
/** Of a column in a row group. */
const MAX_VALUES = 2 ** 27;

/**
 * Rows as plain JSON values: whole numbers beyond 2^53 and decimals as the library gives them, dates in ISO 8601, bytes that
 * are no text as base64. `line` is the number of the row.
 * @param wanted columns that are decoded; the others are null in every record. Default: all
 * @throws RecordFault for damaged files, with the row group
 */
export async function* readParquetRecords(
  path: string,
  maxBytes: number,
  wanted?: ReadonlySet<string>,
): AsyncGenerator<RecordItem[], void> {
  const size = withInputFile(path, (file) => file.size);
  const descriptor = openInputFile(path);
  // The library decodes all columns at once and looks at the first failure only; a second one would be an unhandled
  // rejection. So each column gets its bytes when the one before is decoded, and none after a failure.
  let turn: Promise<void> = Promise.resolve();
  let hasFailed = false;
  const file: AsyncBuffer = {
    byteLength: size,
    slice: (start, end = size) => {
      if (!(start >= 0 && end >= start && end <= size))
        throw new Error(`bytes ${start} to ${end} are asked for, the file has ${size}`);
      turn = turn.then(() => setImmediate());
      return turn.then(() =>
        hasFailed ? never() : new Uint8Array(readFully(descriptor, start, end - start)).buffer,
      );
    },
  };
  try {
    const metadata = await readFooter(path, file);
    let row = 0;
    const names = parquetSchema(metadata).children.map(({ element }) => element.name);
    const read = names.filter((name) => wanted?.has(name) ?? true);
    const unread = Object.fromEntries(
      names.filter((name) => !read.includes(name)).map((name) => [name, null]),
    );
    for (const [group, { num_rows, columns }] of metadata.row_groups.entries()) {
      const rowEnd = row + Number(num_rows);
      const location = `${path}: row group ${group + 1} (rows ${row + 1} to ${rowEnd})`;
      const chunks = columns.flatMap(({ meta_data }) =>
        meta_data === undefined || read.includes(meta_data.path_in_schema[0] ?? '') ? [meta_data] : [],
      );
      const bytes = chunks.reduce((sum, chunk) => sum + Number(chunk?.total_uncompressed_size ?? 0), 0);
      if (!(bytes <= MAX_ROW_GROUP_BYTES))
        throw damaged(
          row + 1,
          `${location} has ${bytes} bytes; at most ${MAX_ROW_GROUP_BYTES} are read. Write smaller groups`,
        );
      const rows = await attemptRead<unknown[]>(row + 1, location, () => {
        for (const chunk of chunks) checkColumn(descriptor, size, metadata.schema, chunk, num_rows);
        // Nothing to decode: the library would give no rows.
        if (read.length === 0) return emptyRows(rowEnd - row);
        return parquetReadObjects({
          file,
          metadata,
          rowStart: row,
          rowEnd,
          columns: read,
          // Only what is declared as text is one here; toItem looks at the other bytes.
          utf8: false,
          compressors: boundedCompressors,
          parsers: {
            stringFromBytes: (bytes: Uint8Array | undefined) => bytes && decodeUtf8(bytes, 'a text'),
          },
        });
      }).catch((error: unknown) => {
        hasFailed = true;
        throw error;
      });
      if (rows.length !== rowEnd - row) throw damaged(row + 1, `${location} gave ${rows.length} rows`);
      yield rows.map((value, index) => toItem(path, row + index + 1, value, unread, maxBytes));
      row = rowEnd;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** A promise that stays open; whoever waits for it is forgotten with it. */
function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/** @throws Error for a column chunk whose place, sizes or counts cannot be true */
function checkColumn(
  descriptor: number,
  size: number,
  schema: readonly SchemaElement[],
  column: ColumnMetaData | undefined,
  rows: bigint,
): void {
  if (column === undefined) throw new Error('a column has no metadata, or is encrypted');
  // Every row has a value in every column, be it null or an empty list.
  const values = Number(column.num_values);
  if (!(values >= Number(rows) && values <= MAX_VALUES)) throw new Error(`a column claims ${values} values`);
  const start = Number(column.dictionary_page_offset || column.data_page_offset);
  const length = Number(column.total_compressed_size);
  if (!(start >= MAGIC.length && length >= 0 && length <= MAX_ROW_GROUP_BYTES && start + length <= size))
    throw new Error(`a column claims ${length} bytes from ${start}, the file has ${size}`);
  const shape = { values, ...levelsOf(schema, column.path_in_schema), isBoolean: column.type === 'BOOLEAN' };
  checkPages(readFully(descriptor, start, length), shape, (packed, unpackedBytes) => {
    const unpack = boundedCompressors[column.codec];
    return unpack === undefined || packed.length === 0 ? packed : unpack(packed, unpackedBytes);
  });
}

/** Each optional element on the way to a column adds a definition level, each repeated one a level of both kinds. */
function levelsOf(
  schema: readonly SchemaElement[],
  path: readonly string[],
): { maxDefinition: number; maxRepetition: number } {
  let [maxDefinition, maxRepetition, at] = [0, 0, 0];
  const after = (index: number): number => {
    let next = index + 1;
    for (let child = schema[index]?.num_children ?? 0; child > 0 && next < schema.length; child -= 1)
      next = after(next);
    return next;
  };
  for (const name of path) {
    const parent = at;
    at += 1;
    for (let child = schema[parent]?.num_children ?? 0; child > 1 && schema[at]?.name !== name; child -= 1)
      at = after(at);
    const element = schema[at];
    if (element?.name !== name) throw new Error(`the schema has no column ${path.join('.').slice(0, 80)}`);
    if (element.repetition_type !== 'REQUIRED') maxDefinition += 1;
    if (element.repetition_type === 'REPEATED') maxRepetition += 1;
  }
  return { maxDefinition, maxRepetition };
}

/** The codecs, each with the size that a page's header claims checked before it is allocated. */
const boundedCompressors: Compressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, unpack]) => [
    codec,
    (input: Uint8Array, outputLength: number) => {
      if (!(outputLength >= 0 && outputLength <= MAX_PAGE_BYTES))
        throw new Error(`a page claims ${outputLength} bytes; at most ${MAX_PAGE_BYTES} are read`);
      return unpack(input, outputLength);
    },
  ]),
);

async function readFooter(path: string, file: AsyncBuffer): Promise<FileMetaData> {
  const tail = Buffer.from(await file.slice(Math.max(0, file.byteLength - 8)));
  if (file.byteLength < 12 || tail.toString('latin1', 4) !== MAGIC)
    throw damaged(1, `${path} does not end with ${MAGIC}: the parquet file is cut off, or encrypted`);
  const footer = tail.readUInt32LE(0);
  if (footer > MAX_FOOTER_BYTES || footer + 12 > file.byteLength)
    throw damaged(1, `${path}: the parquet footer claims ${footer} bytes, the file has ${file.byteLength}`);
  // Marking geographic columns steps through the schema by its counts of children, in circles if one is below zero.
  const metadata = await attemptRead(1, `${path}: the parquet footer`, async () => {
    const parsed = await parquetMetadataAsync(file, { geoparquet: false });
    checkSchema(parsed.schema);
    return parsed;
  });
  checkCounts(path, metadata);
  return metadata;
}

/** @throws Error if the elements' counts of children do not make one tree of all elements */
function checkSchema(schema: readonly SchemaElement[]): void {
  // Elements that the ones so far still call for; the root calls for itself.
  let open = 1;
  for (const [index, { num_children: children = 0 }] of schema.entries()) {
    if (!(Number.isInteger(children) && children >= 0 && children < schema.length && open > 0))
      throw new Error(`element ${index} of the schema claims ${children} children`);
    open += children - 1;
  }
  if (open !== 0) throw new Error(`the schema lacks ${open} elements`);
}

/** The library takes a damaged footer as it is: its types are a promise that is not kept. */
function checkCounts(path: string, { num_rows, row_groups }: FileMetaData): void {
  const isCount = (value: unknown): value is bigint => typeof value === 'bigint' && value >= 0n;
  const isWhole =
    isCount(num_rows) &&
    Array.isArray(row_groups) &&
    row_groups.every(
      (group) => Array.isArray(group.columns) && isCount(group.num_rows) && isCount(group.total_byte_size),
    ) &&
    row_groups.reduce((rows, group) => rows + group.num_rows, 0n) === num_rows;
  if (!isWhole)
    throw damaged(1, `${path}: the parquet footer is damaged: its rows are not those of its row groups`);
}

/** Whatever the library throws on damaged bytes: its own errors, RangeErrors of views, errors of codecs. */
async function attemptRead<T>(line: number, location: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw damaged(line, `${location} cannot be read: ${messageOf(error).slice(0, 200).replace(/\.$/, '')}`);
  }
}

function damaged(line: number, problem: string): RecordFault {
  return new RecordFault(line, 'damaged file', `${problem}.`);
}

/** A row group claims its rows in the footer: as many as one column may have values, and no more. */
function emptyRows(count: number): unknown[] {
  if (count > MAX_VALUES) throw new Error(`it claims ${count} rows`);
  return Array.from({ length: count }, () => ({}));
}

function toItem(
  path: string,
  line: number,
  row: unknown,
  unread: Readonly<Record<string, null>>,
  maxBytes: number,
): RecordItem {
  let bytes = 0;
  const plain = (value: unknown): unknown => {
    if (typeof value === 'string') {
      bytes += value.length;
      return value;
    }
    if (typeof value === 'bigint')
      return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
    if (value === undefined) return null;
    if (typeof value !== 'object' || value === null) return value;
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (value instanceof Uint8Array) {
      bytes += value.length;
      const buffer = Buffer.from(value.buffer, value.byteOffset, value.length);
      // Some writers declare no texts.
      return isUtf8(buffer) && !buffer.includes(0) ? buffer.toString('utf8') : buffer.toString('base64');
    }
    if (Array.isArray(value) || ArrayBuffer.isView(value))
      return Array.from(value as ArrayLike<unknown>, plain);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  };
  const value = { ...Object(plain(row)), ...unread };
  return bytes > maxBytes ? tooLong(path, line, maxBytes) : { line, value };
}
