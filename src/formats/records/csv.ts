/** Tables of RFC 4180: quoted fields with delimiters and newlines, a header row, also with tabs. */
import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { CsvError, type Info, parse } from 'csv-parse';
import { messageOf } from '../../errors/index.js';
import { readByteChunks } from '../files/gzip.js';
import { RecordFault, type RecordItem, tooLong } from './record-file-fault.js';
import { decodeLine } from './text-lines.js';

const BATCH = 256;

/**
 * Rows as records of the header's names to text, never converted; or, with `hasHeader` false, every row as the list of
 * its fields, however many. Empty lines are skipped. The line of a row is where it
 * begins. A row whose fields are more or fewer than the header's is a fault in its place; with a stray quote the
 * rows up to the next quote are lost.
 * @throws RecordFault for a header with a name twice
 */
export async function* readCsvRecords(
  path: string,
  maxBytes: number,
  delimiter: ',' | '\t',
  hasHeader = true,
): AsyncGenerator<RecordItem[], void> {
  let items: RecordItem[] = [];
  const lines = new LineWatch(path);
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    max_record_size: maxBytes,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error) => {
      if (error !== undefined) items.push(csvFault(path, lines, error, maxBytes));
      return undefined;
    },
  });
  const source = Readable.from(lines.pass(readByteChunks(path)));
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let header: string[] | undefined;
  try {
    for await (const { info, record } of parser as AsyncIterable<{ info: Info; record: string[] }>) {
      const lastLine = lines.lineOf(info.bytes - 1);
      const line = lastLine - newlinesIn(record);
      const fault = lines.faultWithin(line, lastLine);
      if (fault !== undefined) items.push(fault);
      else if (!hasHeader) items.push({ line, value: record });
      else if (header === undefined) header = checkHeader(path, line, record);
      else items.push(toRecord(path, line, header, record));
      lines.forgetBefore(info.bytes - 1);
      if (items.length < BATCH) continue;
      yield items;
      items = [];
    }
  } catch (error) {
    yield items;
    throw error instanceof CsvError ? csvFault(path, lines, error, maxBytes) : error;
  } finally {
    source.destroy();
    parser.destroy();
  }
  yield items;
}

function newlinesIn(fields: readonly string[]): number {
  let count = 0;
  for (const field of fields)
    for (let at = field.indexOf('\n'); at >= 0; at = field.indexOf('\n', at + 1)) count += 1;
  return count;
}

function checkHeader(path: string, line: number, names: string[]): string[] {
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated === undefined) return names;
  throw new RecordFault(
    line,
    'not valid CSV',
    `${path}:${line}: the header names the column ${JSON.stringify(repeated)} twice; rename one.`,
  );
}

function toRecord(
  path: string,
  line: number,
  header: readonly string[],
  fields: readonly string[],
): RecordItem {
  if (fields.length !== header.length)
    return new RecordFault(
      line,
      'not valid CSV',
      `${path}:${line}: the row has ${fields.length} fields, the header ${header.length}; quote fields that hold ` +
        'the delimiter, a quote or a newline.',
    );
  return { line, value: Object.fromEntries(header.map((name, index) => [name, fields[index]])) };
}

/** The line where the faulty row begins. */
function csvFault(path: string, lines: LineWatch, error: CsvError, maxBytes: number): RecordFault {
  const line = lines.lineOf(Number(error.bytes ?? 0));
  if (error.code === 'CSV_MAX_RECORD_SIZE') return tooLong(path, line, maxBytes);
  const problem = error.code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quoted field is not closed' : messageOf(error);
  return new RecordFault(
    line,
    'not valid CSV',
    `${path}:${line}: not valid CSV: ${problem.slice(0, 200).replace(/[.;]?$/, '')}; inside a quoted field a quote is ` +
      'written twice.',
  );
}

const NEWLINE = 0x0a;

/** Watches the bytes go by to the parser, which replaces what it cannot decode, and miscounts lines in quotes. */
class LineWatch {
  readonly #path: string;
  /** Byte offsets of newlines from line `#firstLine` on. */
  #newlines: number[] = [];
  #firstLine = 1;
  #faults: RecordFault[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  async *pass(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    let offset = 0;
    let pending: Buffer[] = [];
    for await (const chunk of chunks) {
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1))
        this.#newlines.push(offset + at);
      // Whole lines are checked, so that no character is cut in two.
      const end = chunk.lastIndexOf(NEWLINE) + 1;
      if (end > 0) {
        const whole = Buffer.concat([...pending, chunk.subarray(0, end)]);
        this.#check(whole, offset + end - whole.length);
        pending = [];
      }
      // The parser refuses a line that grows beyond its limit.
      if (end < chunk.length) pending.push(chunk.subarray(end));
      offset += chunk.length;
      yield chunk;
    }
    const rest = Buffer.concat(pending);
    this.#check(rest, offset - rest.length);
  }

  #check(bytes: Buffer, offset: number): void {
    if (isUtf8(bytes) && bytes.indexOf(0) < 0) return;
    let line = this.lineOf(offset);
    for (let start = 0; start < bytes.length; line += 1) {
      const found = bytes.indexOf(NEWLINE, start);
      const end = found < 0 ? bytes.length : found;
      const fault = decodeLine(this.#path, line, bytes.subarray(start, end));
      if (typeof fault !== 'string') this.#faults.push(fault);
      start = end + 1;
    }
  }

  /** The line that holds the byte at `offset`. */
  lineOf(offset: number): number {
    return this.#firstLine + this.#newlinesBefore(offset);
  }

  #newlinesBefore(offset: number): number {
    let low = 0;
    let high = this.#newlines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#newlines[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  forgetBefore(offset: number): void {
    const count = this.#newlinesBefore(offset);
    if (count < 10_000) return;
    this.#newlines = this.#newlines.slice(count);
    this.#firstLine += count;
  }

  /** The first fault of these lines; those before them are forgotten. */
  faultWithin(first: number, last: number): RecordFault | undefined {
    if (this.#faults.length === 0) return undefined;
    this.#faults = this.#faults.filter(({ line }) => line >= first);
    return this.#faults.find(({ line }) => line <= last);
  }
}
