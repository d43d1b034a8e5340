/** The texts in a chunk of a training file. */
import { isUtf8 } from 'node:buffer';
import { InputError } from '../../errors/index.js';
import { decodeUtf8, parseJson } from '../../formats/index.js';
import { readTextChunks, type TextChunk } from './text-chunks.js';

export interface ChunkTextsOptions {
  /** The key of a JSON line that holds the text. */
  readonly field: string;
  /** Lines of text keep their newline. The texts of JSON lines always keep theirs. */
  readonly keepNewlines: boolean;
}

const NEWLINE = 0x0a;

/**
 * The texts of a chunk: its lines, or for a file that is called .jsonl (or .jsonl.gz) one field of each line's object.
 * Empty lines are left out.
 * @throws InputError naming file and line, for bytes that are no UTF-8 and JSON lines without the field
 */
export function* textsOfChunk(chunk: TextChunk, options: ChunkTextsOptions): Generator<string, void> {
  const isJson = /\.jsonl(\.gz)?$/.test(chunk.file);
  let line = chunk.firstLine;
  for (const text of linesOf(chunk, !isJson && options.keepNewlines)) {
    if (text.trim() !== '' || (!isJson && text !== '')) {
      yield isJson ? fieldOf(text, options.field, `${chunk.file}:${line}`) : text;
    }
    line += 1;
  }
}

/** The texts of a file, one by one; those of plain text are its lines. Throws InputError as the parts do. */
export async function* readTexts(file: string, field = 'text'): AsyncGenerator<string, void> {
  for await (const chunk of readTextChunks([file]))
    yield* textsOfChunk(chunk, { field, keepNewlines: false });
}

function linesOf({ file, firstLine, bytes }: TextChunk, keepNewlines: boolean): readonly string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(buffer)) refuseBrokenLine(buffer, file, firstLine);
  let text = buffer.toString('utf8');
  if (firstLine === 1 && text.startsWith('\ufeff')) text = text.slice(1);
  return keepNewlines ? (text.match(/[^\n]*\n|[^\n]+$/g) ?? []) : text.split('\n');
}

function refuseBrokenLine(buffer: Buffer, file: string, firstLine: number): void {
  let line = firstLine;
  for (let start = 0; start < buffer.length; line++) {
    const newline = buffer.indexOf(NEWLINE, start);
    const end = newline < 0 ? buffer.length : newline;
    decodeUtf8(buffer.subarray(start, end), `${file}:${line}`);
    start = end + 1;
  }
}

function fieldOf(line: string, field: string, location: string): string {
  const value = parseJson(line, location);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const text: unknown = Object.hasOwn(value, field) ? Reflect.get(value, field) : undefined;
    if (typeof text === 'string') return text;
    throw new InputError(
      `${location}: "${field}" is ${text === undefined ? 'missing' : 'no text'}; the line has ${Object.keys(value).slice(0, 10).join(', ') || 'no keys'}. Name the key of the text with --field.`,
    );
  }
  throw new InputError(`${location}: no JSON object; a line looks like {"${field}": "…"}.`);
}
