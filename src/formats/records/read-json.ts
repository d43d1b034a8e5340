/** JSON documents and JSON Lines with file, line and column in every error. */
import { closeSync } from 'node:fs';
import { InputError, messageOf } from '../../errors/index.js';
import { parseOrderedJson } from '../../json/index.js';
import { openInputFile, readFully, withInputFile } from '../files/input-file.js';
import { decodeUtf8 } from '../files/utf8.js';
import { findJsonFault, lineAndColumn } from './json-fault.js';

export interface ParseJsonOptions {
  /** Refuse an object that names a key twice; costs one more pass over the text. Default false. */
  readonly uniqueKeys?: boolean;
  /** Objects keep the order of their keys, those that look like an index too (key-order.ts). Default false. */
  readonly keyOrder?: boolean;
}

/**
 * JSON.parse whose InputError says `<source>:<line>:<column>` and what was found there.
 * A leading byte order mark is skipped.
 */
export function parseJson(text: string, source: string, options: ParseJsonOptions = {}): unknown {
  const body = text.startsWith('\ufeff') ? text.slice(1) : text;
  if (options.uniqueKeys) refuseFault(body, source);
  try {
    const value: unknown = options.keyOrder === true ? parseOrderedJson(body) : JSON.parse(body);
    return value;
  } catch (error) {
    refuseFault(body, source);
    throw new InputError(`${source} is not valid JSON: ${messageOf(error)}.`);
  }
}

function refuseFault(text: string, source: string): void {
  const fault = findJsonFault(text);
  if (fault === undefined) return;
  const location = `${source}:${lineAndColumn(text, fault.offset)}`;
  throw new InputError(`${location}: not valid JSON: ${fault.problem}.`);
}

/** Node's strings end near 512 MiB. */
const MAX_JSON_BYTES = 500 * 2 ** 20;

/** The value of a UTF-8 JSON file. Throws InputError, with line and column for a fault in the text. */
export function readJsonFile(path: string, options: ParseJsonOptions = {}): unknown {
  return withInputFile(path, (file) => {
    if (file.size > MAX_JSON_BYTES) {
      throw new InputError(
        `${path} has ${file.size} bytes; a JSON file may have ${MAX_JSON_BYTES}. Split it.`,
      );
    }
    return parseJson(decodeUtf8(file.read(0, file.size), path), path, options);
  });
}

export interface ReadJsonLinesOptions extends ParseJsonOptions {
  /** Longest line accepted, in bytes. Default 64 MiB. */
  readonly maxLineBytes?: number;
}

export interface JsonLine {
  /** From 1, blank lines counted. */
  readonly line: number;
  readonly value: unknown;
}

const CHUNK_BYTES = 2 ** 18;
const NEWLINE = 0x0a;

/** The values of a JSON Lines file, one at a time; blank lines are skipped. Throws InputError naming the line. */
export function* readJsonLines(path: string, options: ReadJsonLinesOptions = {}): Generator<JsonLine, void> {
  const maxLineBytes = options.maxLineBytes ?? 64 * 2 ** 20;
  let line = 0;
  for (const bytes of readLines(path, maxLineBytes)) {
    line += 1;
    const source = `${path}:${line}`;
    if (bytes.length > maxLineBytes) {
      throw new InputError(`${source}: the line is longer than ${maxLineBytes} bytes; split the record.`);
    }
    const text = decodeUtf8(bytes, source);
    if (text.trim() !== '') yield { line, value: parseJsonLine(text, source, options) };
  }
}

/** As parseJson; the place is `<path>:<line>:<column>`, for the text has one line only. */
export function parseJsonLine(text: string, source: string, options: ParseJsonOptions): unknown {
  if (!options.uniqueKeys) {
    try {
      const value: unknown = JSON.parse(text);
      return value;
    } catch {
      // The fault is located below.
    }
  }
  const fault = findJsonFault(text);
  if (fault === undefined) return JSON.parse(text);
  throw new InputError(`${source}:${fault.offset + 1}: not valid JSON: ${fault.problem}.`);
}

/** Lines without their newline. One that outgrows `maxBytes` is cut off soon after and is the last. */
function* readLines(path: string, maxBytes: number): Generator<Buffer, void> {
  const descriptor = openInputFile(path);
  try {
    let pending: Buffer[] = [];
    let pendingBytes = 0;
    for (let offset = 0; ; ) {
      const chunk = readFully(descriptor, offset, CHUNK_BYTES);
      offset += chunk.length;
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        yield Buffer.concat([...pending, chunk.subarray(start, end)]);
        pending = [];
        pendingBytes = 0;
        start = end + 1;
      }
      if (start < chunk.length) pending.push(chunk.subarray(start));
      pendingBytes += chunk.length - start;
      if (chunk.length < CHUNK_BYTES || pendingBytes > maxBytes) break;
    }
    if (pendingBytes > 0) yield Buffer.concat(pending);
  } finally {
    closeSync(descriptor);
  }
}
