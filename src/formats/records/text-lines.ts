/** Lines of a file, and the records whose form is a line: JSON Lines and plain text. */
import { InputError } from '../../errors/index.js';
import { readByteChunks } from '../files/gzip.js';
import { decodeUtf8 } from '../files/utf8.js';
import { parseJsonLine } from './read-json.js';
import {
  jsonRecord,
  RecordFault,
  type RecordFaultReason,
  type RecordItem,
  tooLong,
} from './record-file-fault.js';

/** A line without its newline; bytes is undefined for one that is longer than the limit. */
export interface LineBytes {
  /** From 1. */
  readonly line: number;
  readonly bytes: Buffer | undefined;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * The lines of each piece together, so that the reader pays for a turn of the event loop once in 256 KiB. A line that is
 * too long is let go as it is read; memory stays within the limit.
 */
export async function* readLineBatches(path: string, maxBytes: number): AsyncGenerator<LineBytes[], void> {
  let line = 0;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  const keep = (part: Buffer): void => {
    pendingBytes += part.length;
    if (pendingBytes <= maxBytes) pending.push(part);
    else pending = [];
  };
  const take = (): LineBytes => {
    line += 1;
    const bytes = pendingBytes > maxBytes ? undefined : joined(pending);
    pending = [];
    pendingBytes = 0;
    return { line, bytes };
  };
  for await (const chunk of readByteChunks(path)) {
    const lines: LineBytes[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, end));
      lines.push(take());
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
    yield lines;
  }
  if (pendingBytes > 0) yield [take()];
}

function joined(parts: readonly Buffer[]): Buffer {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** One JSON value a line; blank lines are skipped. */
export async function* readJsonLineRecords(
  path: string,
  maxBytes: number,
): AsyncGenerator<RecordItem[], void> {
  for await (const lines of readLineBatches(path, maxBytes)) {
    const items: RecordItem[] = [];
    for (const { line, bytes } of lines) {
      if (bytes === undefined) items.push(tooLong(path, line, maxBytes));
      else {
        const text = decodeLine(path, line, bytes);
        if (typeof text !== 'string') items.push(text);
        else if (text.trim() !== '') items.push(jsonItem(path, line, text));
      }
    }
    yield items;
  }
}

function jsonItem(path: string, line: number, text: string): RecordItem {
  return attempt(line, 'not valid JSON', () =>
    jsonRecord(path, line, parseJsonLine(text, `${path}:${line}`, {}), text),
  );
}

/** One text a line, as { text }; blank lines are skipped. */
export async function* readTextLineRecords(
  path: string,
  maxBytes: number,
): AsyncGenerator<RecordItem[], void> {
  for await (const lines of readLineBatches(path, maxBytes)) {
    const items: RecordItem[] = [];
    for (const { line, bytes } of lines) {
      const text = bytes === undefined ? tooLong(path, line, maxBytes) : decodeLine(path, line, bytes);
      if (typeof text !== 'string') items.push(text);
      else if (text.trim() !== '') items.push({ line, value: { text } });
    }
    yield items;
  }
}

/** The whole file as one { text }. */
export async function* readTextFileRecord(
  path: string,
  maxBytes: number,
): AsyncGenerator<RecordItem[], void> {
  const text = decodeWhole(path, await readWhole(path, maxBytes), maxBytes);
  if (typeof text !== 'string') yield [text];
  else if (text.trim() !== '') yield [{ line: 1, value: { text } }];
}

/** All bytes; undefined if there are more than `maxBytes`. */
export async function readWhole(path: string, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of readByteChunks(path)) {
    chunks.push(chunk);
    total += chunk.length;
    if (total > maxBytes) return undefined;
  }
  return Buffer.concat(chunks);
}

/** As decodeLine, of many lines: the fault names the line. */
export function decodeWhole(path: string, bytes: Buffer | undefined, maxBytes: number): string | RecordFault {
  if (bytes === undefined) return tooLong(path, 1, maxBytes);
  const text = decodeLine(path, 1, bytes);
  if (typeof text === 'string') return text;
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const end = bytes.indexOf(NEWLINE, start);
    const part = decodeLine(path, line, bytes.subarray(start, end < 0 ? bytes.length : end));
    if (typeof part !== 'string') return part;
    if (end < 0) break;
    start = end + 1;
  }
  return text;
}

/** Text of a line without its closing carriage return, or why it is none. Byte offsets count from its begin. */
export function decodeLine(path: string, line: number, bytes: Buffer): string | RecordFault {
  const source = `${path}:${line}: the line`;
  // Before NUL: in UTF-16 every other byte is one.
  const text = attempt(line, 'not UTF-8', () => decodeUtf8(bytes, source));
  if (typeof text !== 'string') return text;
  const nul = bytes.indexOf(0);
  if (nul >= 0) return nulFault(path, line, nul);
  return bytes.at(-1) === RETURN ? text.slice(0, -1) : text;
}

export function nulFault(path: string, line: number, offset: number): RecordFault {
  return new RecordFault(
    line,
    'NUL byte',
    `${path}:${line}: the line has a NUL byte at byte offset ${offset}; it is binary, or UTF-16 text to be saved as UTF-8.`,
  );
}

/** A fault instead of the InputError that `read` throws. */
export function attempt<T>(line: number, reason: RecordFaultReason, read: () => T): T | RecordFault {
  try {
    return read();
  } catch (error) {
    if (error instanceof InputError) return new RecordFault(line, reason, error.message);
    throw error;
  }
}
