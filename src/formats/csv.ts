/** Tables of RFC 4180: quoted fields with delimiters and newlines, a header row, also with tabs. */
import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { CsvError, type Info, parse } from 'csv-parse';
import { messageOf } from '../errors/index.js';
import { readByteChunks } from './gzip.js';
import { RecordFault, type RecordItem, tooLong } from './record-file-fault.js';
import { decodeLine } from './text-lines.js';

const BATCH = 256;

/**
 * Rows as records of the header's names to text, never converted; empty lines are skipped. The line of a row is where it
 * begins. A row whose fields are more or fewer than the header's is a fault in its place; after a stray quote the
 * rest of that line is lost.
 * @throws RecordFault for a header with a name twice, or none
 */
export async function* readCsvRecords(
  path: string,
  maxBytes: number,
  delimiter: ',' | '\t',
): AsyncGenerator<RecordItem[], void> {
  let items: RecordItem[] = [];
  const check = new LineCheck(path);
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    max_record_size: maxBytes,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error) => {
      if (error !== undefined) items.push(csvFault(path, error, maxBytes));
      return undefined;
    },
  });
  const source = Readable.from(check.pass(readByteChunks(path)));
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let header: string[] | undefined;
  let previousLine = 0;
  try {
    for await (const row of parser as AsyncIterable<{ info: Info; record: string[] }>) {
      const { info, record } = row;
      const lastLine = info.lines;
      const line = Math.min(previousLine + 1, lastLine);
      previousLine = lastLine;
      const fault = check.faultWithin(line, lastLine);
      if (fault !== undefined) items.push(fault);
      else if (header === undefined) header = checkHeader(path, line, record);
      else items.push(toRecord(path, line, header, record));
      if (items.length < BATCH) continue;
      yield items;
      items = [];
    }
  } catch (error) {
    yield items;
    throw error instanceof CsvError ? csvFault(path, error, maxBytes) : error;
  } finally {
    source.destroy();
    parser.destroy();
  }
  yield items;
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

function csvFault(path: string, error: CsvError, maxBytes: number): RecordFault {
  const line = Number(error.lines ?? 1);
  if (error.code === 'CSV_MAX_RECORD_SIZE') return tooLong(path, line, maxBytes);
  const problem = error.code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quoted field is not closed' : messageOf(error);
  return new RecordFault(
    line,
    'not valid CSV',
    `${path}:${line}: not valid CSV: ${problem.replace(/[.;]?$/, '')}; inside a quoted field a quote is written twice.`,
  );
}

/** Notes lines that are not text as their bytes go by: the parser would replace what it cannot decode. */
class LineCheck {
  readonly #path: string;
  #faults: RecordFault[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  async *pass(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    let line = 1;
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of chunks) {
      // Whole lines, so that no character is cut in two.
      const end = chunk.lastIndexOf(0x0a) + 1;
      const whole = end === 0 ? undefined : Buffer.concat([rest, chunk.subarray(0, end)]);
      if (whole !== undefined) line = this.#check(whole, line);
      rest = whole === undefined ? Buffer.concat([rest, chunk]) : chunk.subarray(end);
      // A line of this length is refused by the parser long before.
      yield chunk;
    }
    this.#check(rest, line);
  }

  /** The line after the bytes. */
  #check(bytes: Buffer, first: number): number {
    const isClean = isUtf8(bytes) && bytes.indexOf(0) < 0;
    let line = first;
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
      if (!isClean) this.#note(line, bytes.subarray(start, end));
      line += 1;
      start = end + 1;
    }
    if (!isClean && start < bytes.length) this.#note(line, bytes.subarray(start));
    return line;
  }

  #note(line: number, bytes: Buffer): void {
    const fault = decodeLine(this.#path, line, bytes);
    if (typeof fault !== 'string') this.#faults.push(fault);
  }

  /** The first fault of these lines; those before them are forgotten. */
  faultWithin(first: number, last: number): RecordFault | undefined {
    if (this.#faults.length === 0) return undefined;
    this.#faults = this.#faults.filter(({ line }) => line >= first);
    return this.#faults.find(({ line }) => line <= last);
  }
}
