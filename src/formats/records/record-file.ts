/** Reads records from a file of any format, recognised by content and name. */
import { extname } from 'node:path';
import { InputError } from '../../errors/index.js';
import { isGzip, readByteHead } from '../files/gzip.js';
import { withInputFile } from '../files/input-file.js';
import { isParquet, readParquetRecords } from '../parquet/parquet.js';
import { readCsvRecords } from './csv.js';
import { readJsonArrayRecords } from './json-array.js';
import { parseJson } from './read-json.js';
import {
  type FileRecord,
  jsonRecord,
  MAX_RECORD_BYTES,
  RecordFault,
  type RecordItem,
} from './record-file-fault.js';
import {
  attempt,
  decodeWhole,
  readJsonLineRecords,
  readTextFileRecord,
  readTextLineRecords,
  readWhole,
} from './text-lines.js';

/**
 * - jsonl: a JSON value a line; json-array: the elements of one array; json: one value, the file
 * - csv (RFC 4180), tsv (the same with tabs): the first row names the columns; records of name to string
 * - parquet: rows as records of column to value
 * - text: {"text"} a line; text-file: {"text"} of the whole file
 *
 * All but parquet may be packed as gzip.
 */
export type RecordFormat = 'jsonl' | 'json-array' | 'json' | 'csv' | 'tsv' | 'parquet' | 'text' | 'text-file';

export interface ReadRecordsOptions {
  /** Default: told by the content, and where that leaves a choice by the name. */
  readonly format?: RecordFormat | undefined;
  /** Longest record (line, element, row, text) accepted, in bytes. Default 64 MiB. */
  readonly maxRecordBytes?: number | undefined;
  /** Keys that are looked at. Other columns of parquet are not decoded and null in every record. Default: all. */
  readonly keys?: ReadonlySet<string> | undefined;
  /** False: the rows of csv and tsv are lists of their fields, the first row too. Default true. */
  readonly csvHeader?: boolean | undefined;
  /** Given: faulty records come here and are left out. Else the first one is thrown. */
  readonly onFault?: ((fault: RecordFault) => void) | undefined;
}

/**
 * One record at a time; memory is bounded by the longest record accepted (in parquet by the row group).
 * @throws InputError for a file that is missing or of no known container, whatever the options;
 *   RecordFault for a faulty record, unless `onFault` takes it
 */
export async function* readRecords(
  path: string,
  options: ReadRecordsOptions = {},
): AsyncGenerator<FileRecord, void> {
  const { onFault } = options;
  try {
    for await (const items of readItems(path, options)) {
      for (const item of items) {
        if (!(item instanceof RecordFault)) yield item;
        else if (onFault === undefined) throw item;
        else onFault(item);
      }
    }
  } catch (error) {
    if (!(error instanceof RecordFault) || onFault === undefined) throw error;
    onFault(error);
  }
}

async function* readItems(
  path: string,
  { format, keys, csvHeader, maxRecordBytes = MAX_RECORD_BYTES }: ReadRecordsOptions,
): AsyncGenerator<readonly RecordItem[], void> {
  if (withInputFile(path, ({ size }) => size) === 0)
    throw new RecordFault(1, 'empty file', `${path} is empty; it has no records.`);
  yield* readerOf(format ?? (await detectRecordFormat(path)), csvHeader)(path, maxRecordBytes, keys);
}

type ItemReader = (
  path: string,
  maxBytes: number,
  keys: ReadonlySet<string> | undefined,
) => AsyncGenerator<readonly RecordItem[], void>;

function readerOf(format: RecordFormat, csvHeader: boolean | undefined): ItemReader {
  switch (format) {
    case 'jsonl':
      return readJsonLineRecords;
    case 'json-array':
      return readJsonArrayRecords;
    case 'json':
      return readJsonRecord;
    case 'csv':
      return (path, maxBytes) => readCsvRecords(path, maxBytes, ',', csvHeader);
    case 'tsv':
      return (path, maxBytes) => readCsvRecords(path, maxBytes, '\t', csvHeader);
    case 'parquet':
      return readParquetRecords;
    case 'text':
      return readTextLineRecords;
    case 'text-file':
      return readTextFileRecord;
  }
}

async function* readJsonRecord(path: string, maxBytes: number): AsyncGenerator<readonly RecordItem[], void> {
  const text = decodeWhole(path, await readWhole(path, maxBytes), maxBytes);
  yield [
    typeof text === 'string'
      ? attempt<RecordItem>(1, 'not valid JSON', () => jsonRecord(path, 1, parseJson(text, path), text))
      : text,
  ];
}

const HEAD_BYTES = 2 ** 16;

/** @throws InputError for a container that is not read here, named by its first bytes */
export async function detectRecordFormat(path: string): Promise<RecordFormat> {
  const start = withInputFile(path, (file) => file.read(0, 8));
  if (isParquet(start)) return 'parquet';
  const other = foreignContainer(start);
  if (other !== undefined) throw new InputError(`${path} is ${other}`);
  const plainName = isGzip(start) ? path.replace(/\.gz(ip)?$/i, '') : path;
  const extension = extname(plainName).toLowerCase();
  if (extension === '.parquet')
    throw new InputError(
      `${path} is named parquet, but does not begin with PAR1; it is damaged or not parquet.`,
    );
  if (extension === '.csv') return 'csv';
  if (extension === '.tsv') return 'tsv';
  if (extension === '.txt' || extension === '.md') return 'text';
  return jsonOrText((await readByteHead(path, HEAD_BYTES)).toString('utf8'), extension);
}

function foreignContainer(start: Buffer): string | undefined {
  switch (start.toString('hex', 0, 4)) {
    case '28b52ffd':
      return 'packed as zstd; unpack it first (zstd -d), or pack it as gzip.';
    case '504b0304':
      return 'a zip archive (or an Office file); unpack it first, or save the table as CSV.';
    case 'fd377a58':
      return 'packed as xz; unpack it first (xz -d), or pack it as gzip.';
    default:
      return start.toString('latin1', 0, 3) === 'BZh'
        ? 'packed as bzip2; unpack it first (bunzip2), or pack it as gzip.'
        : undefined;
  }
}

function jsonOrText(head: string, extension: string): RecordFormat {
  const text = head.replace(/^\ufeff/, '').trimStart();
  const isLines = extension === '.jsonl' || extension === '.ndjson';
  // An array of objects under the name of JSON Lines is still an array.
  if (text.startsWith('[') && (!isLines || /^\[\s*\{/.test(text))) return 'json-array';
  if (isLines) return 'jsonl';
  if (!text.startsWith('{')) return extension === '.json' ? 'json' : 'text';
  // One object over many lines, or one a line.
  const end = text.indexOf('\n');
  return end < 0 || isJson(text.slice(0, end)) ? 'jsonl' : 'json';
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
