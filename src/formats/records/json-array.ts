/** The elements of one big JSON array, one at a time. */
import { readByteChunks } from '../files/gzip.js';
import { decodeUtf8 } from '../files/utf8.js';
import { findJsonFault } from './json-fault.js';
import { jsonRecord, RecordFault, type RecordItem, tooLong } from './record-file-fault.js';
import { attempt } from './text-lines.js';

/**
 * `line` is where the element begins. A faulty element is a fault in its place, as long as its brackets and quotes
 * are balanced.
 * @throws RecordFault for text before or after the array, and for an array without its end
 */
export async function* readJsonArrayRecords(
  path: string,
  maxBytes: number,
): AsyncGenerator<RecordItem[], void> {
  const splitter = new ArraySplitter(path, maxBytes);
  for await (const chunk of readByteChunks(path)) {
    yield splitter.push(chunk);
    if (splitter.failure !== undefined) throw splitter.failure;
  }
  splitter.end();
}

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

type ArrayPosition = 'before the array' | 'first element' | 'element' | 'in an element' | 'after the array';

/** Finds the elements by counting brackets outside strings; JSON.parse judges what is in them. */
class ArraySplitter {
  failure: RecordFault | undefined;
  readonly #path: string;
  readonly #maxBytes: number;
  #position: ArrayPosition = 'before the array';
  #line = 1;
  #offset = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #parts: Buffer[] = [];
  #partBytes = 0;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): RecordItem[] {
    const items: RecordItem[] = [];
    let at = this.#offset === 0 && chunk.toString('hex', 0, 3) === 'efbbbf' ? 3 : 0;
    this.#offset += chunk.length;
    while (at < chunk.length && this.failure === undefined) {
      if (this.#position === 'in an element') {
        const end = this.#elementEnd(chunk, at);
        this.#keep(chunk.subarray(at, end));
        if (end < chunk.length) {
          items.push(this.#take());
          this.#position = 'element';
          // The comma or bracket is looked at below, as what follows an element.
          this.#afterElement(chunk[end]!);
        }
        at = end + 1;
      } else at = this.#betweenElements(chunk, at);
    }
    return items;
  }

  end(): void {
    if (this.#position === 'after the array') return;
    const where =
      this.#position === 'in an element'
        ? `in the element that begins in line ${this.#line}`
        : 'in the array';
    throw this.#fail(`the file ends ${where}; it is cut off`);
  }

  #fail(problem: string): RecordFault {
    this.failure = new RecordFault(this.#line, 'damaged file', `${this.#path}:${this.#line}: ${problem}.`);
    return this.failure;
  }

  /** Consumes one byte that belongs to no element. */
  #betweenElements(chunk: Buffer, at: number): number {
    const byte = chunk[at]!;
    if (byte === NEWLINE) this.#line += 1;
    if (byte === NEWLINE || byte === 0x20 || byte === 0x09 || byte === 0x0d) return at + 1;
    switch (this.#position) {
      case 'before the array':
        if (byte !== OPEN_ARRAY) this.#fail(`expected a JSON array, found byte 0x${hex(byte)}`);
        this.#position = 'first element';
        return at + 1;
      case 'after the array':
        this.#fail('there is more text after the end of the array');
        return at + 1;
      default:
        if (byte === CLOSE_ARRAY && this.#position === 'first element') {
          this.#position = 'after the array';
          return at + 1;
        }
        if (byte === COMMA || byte === CLOSE_ARRAY) {
          this.#fail(`expected an element, found '${String.fromCharCode(byte)}'`);
          return at + 1;
        }
        this.#position = 'in an element';
        return at;
    }
  }

  #afterElement(byte: number): void {
    if (byte === CLOSE_ARRAY) this.#position = 'after the array';
  }

  /** Index of the comma or bracket that ends the element; the length of the chunk if it goes on. */
  #elementEnd(chunk: Buffer, from: number): number {
    const { length } = chunk;
    let at = from;
    let backslash = -1;
    while (at < length) {
      if (this.#inString) {
        if (this.#escaped) {
          this.#escaped = false;
          at += 1;
          continue;
        }
        const quote = indexOr(chunk, QUOTE, at, length);
        if (backslash < at) backslash = indexOr(chunk, BACKSLASH, at, length);
        if (backslash < quote) {
          this.#escaped = true;
          at = backslash + 1;
        } else {
          this.#inString = quote === length;
          at = quote + 1;
        }
        continue;
      }
      const byte = chunk[at]!;
      if (byte === QUOTE) this.#inString = true;
      else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) this.#depth += 1;
      else if (this.#depth === 0) {
        if (byte === COMMA || byte === CLOSE_ARRAY) return at;
      } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) this.#depth -= 1;
      at += 1;
    }
    return length;
  }

  /** Bytes beyond the limit are counted for their newlines and let go. */
  #keep(part: Buffer): void {
    this.#partBytes += part.length;
    this.#parts.push(part);
    if (this.#partBytes <= this.#maxBytes) return;
    for (const kept of this.#parts) this.#skippedLines += newlines(kept);
    this.#parts = [];
  }
  #skippedLines = 0;

  #take(): RecordItem {
    const line = this.#line;
    const isTooLong = this.#partBytes > this.#maxBytes;
    const bytes = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#line += this.#skippedLines + newlines(bytes);
    this.#parts = [];
    this.#partBytes = 0;
    this.#skippedLines = 0;
    return isTooLong ? tooLong(this.#path, line, this.#maxBytes) : parseElement(this.#path, line, bytes);
  }
}

function parseElement(path: string, line: number, bytes: Buffer): RecordItem {
  const text = attempt(line, 'not UTF-8', () => decodeUtf8(bytes, `${path}:${line}: the element`));
  if (typeof text !== 'string') return text;
  try {
    const value: unknown = JSON.parse(text);
    return jsonRecord(path, line, value, text);
  } catch {
    const fault = findJsonFault(text);
    if (fault === undefined) return jsonRecord(path, line, JSON.parse(text), text);
    const faultLine = line + text.slice(0, fault.offset).split('\n').length - 1;
    return new RecordFault(line, 'not valid JSON', `${path}:${faultLine}: not valid JSON: ${fault.problem}.`);
  }
}

function indexOr(chunk: Buffer, byte: number, from: number, otherwise: number): number {
  const found = chunk.indexOf(byte, from);
  return found < 0 ? otherwise : found;
}

function newlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
