/** Text files, plain or gzipped, as chunks of whole lines: what the threads that count words take one by one. */
import { createReadStream, statSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { InputError, messageOf } from '../../errors/index.js';

export interface TextChunk {
  readonly file: string;
  /** Number of the first line, from 1. */
  readonly firstLine: number;
  /** Whole lines, each with its newline but perhaps the last one of the file. */
  readonly bytes: Uint8Array;
}

export interface ReadChunksOptions {
  /** Called with the bytes read so far, over all files, as they lie on disk. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

const CHUNK_BYTES = 2 ** 20;
/** A line that outgrows this is no text; it must fit a JavaScript string. */
const MAX_LINE_BYTES = 2 ** 28;
const READ_BYTES = 2 ** 18;
const NEWLINE = 0x0a;

/** Bytes on disk, for progress. Throws InputError for what is missing or no regular file. */
export function sizeOfFiles(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + sizeOfFile(file), 0);
}

function sizeOfFile(file: string): number {
  let status: ReturnType<typeof statSync>;
  try {
    status = statSync(file);
  } catch (error) {
    throw unreadable(file, error);
  }
  if (status.isFile()) return status.size;
  throw new InputError(
    `${file} is ${status.isDirectory() ? 'a folder' : 'a device or pipe'}, not a file of text.`,
  );
}

/**
 * The lines of the files in order. Where a chunk ends depends on the content alone, never on the speed of reading.
 * @throws InputError naming a file that cannot be read or unpacked, or a line beyond 256 MiB
 */
export async function* readTextChunks(
  files: readonly string[],
  options: ReadChunksOptions = {},
): AsyncGenerator<TextChunk, void> {
  let before = 0;
  for (const file of files) {
    const size = sizeOfFile(file);
    const done = before;
    yield* readFile(file, (bytes) => options.onProgress?.(done + bytes));
    before += size;
  }
}

async function* readFile(file: string, onRead: (bytes: number) => void): AsyncGenerator<TextChunk, void> {
  const raw = createReadStream(file, { highWaterMark: READ_BYTES });
  const unpack = file.endsWith('.gz') ? createGunzip({ chunkSize: READ_BYTES }) : undefined;
  if (unpack) raw.on('error', (error) => unpack.destroy(error)).pipe(unpack);
  let firstLine = 1;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  try {
    for await (const part of unpack ?? raw) {
      let bytes: Buffer = part;
      onRead(raw.bytesRead);
      while (bytes.length > 0) {
        // The chunk ends at the first newline that makes it a full one.
        const from = Math.max(0, CHUNK_BYTES - 1 - pendingBytes);
        const end = from < bytes.length ? bytes.indexOf(NEWLINE, from) : -1;
        const taken = end < 0 ? bytes : bytes.subarray(0, end + 1);
        pending.push(taken);
        pendingBytes += taken.length;
        if (pendingBytes > MAX_LINE_BYTES) {
          throw new InputError(
            `${file}:${firstLine}: a line of more than ${MAX_LINE_BYTES} bytes; split it.`,
          );
        }
        if (end < 0) break;
        const chunk = Buffer.concat(pending);
        yield { file, firstLine, bytes: chunk };
        firstLine += countLines(chunk);
        pending = [];
        pendingBytes = 0;
        bytes = bytes.subarray(end + 1);
      }
    }
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(file, error);
  } finally {
    raw.destroy();
  }
  if (pendingBytes > 0) yield { file, firstLine, bytes: Buffer.concat(pending) };
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1;
  return lines;
}

function unreadable(file: string, error: unknown): InputError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new InputError(`${file} does not exist; check the path.`);
  if (code === 'EACCES') return new InputError(`${file} may not be read; check its permissions.`);
  if (code.startsWith('Z_')) {
    return new InputError(
      `${file} cannot be unpacked as gzip (${messageOf(error)}); it is damaged or of another format.`,
    );
  }
  return new InputError(`${file} cannot be read: ${messageOf(error)}.`);
}
