/** Opens and reads regular files, with errors that name them. */
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { InputError, messageOf } from '../../errors/index.js';

/** A regular file, open for reading. */
export interface InputFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Up to `length` bytes from `offset`; fewer only at the end of the file.
   * @param buffer of `length` or more to read into; default: a new one
   */
  read(offset: number, length: number, buffer?: Buffer): Buffer;
}

/**
 * Opens a regular file, hands it to `use` and closes it. Pipes and devices are refused before they are opened:
 * opening a pipe waits for its writer.
 * @throws InputError if the file is missing, unreadable or not a regular file.
 */
export function withInputFile<T>(path: string, use: (file: InputFile) => T): T {
  const descriptor = openInputFile(path);
  try {
    return use({
      path,
      size: fstatSync(descriptor).size,
      read: (...range) => readFully(descriptor, ...range),
    });
  } finally {
    closeSync(descriptor);
  }
}

/** The descriptor of a regular file; the caller closes it. Throws InputError as withInputFile does. */
export function openInputFile(path: string): number {
  try {
    const status = statSync(path);
    if (status.isFile()) return openSync(path, 'r');
    throw new InputError(`${path} is ${status.isDirectory() ? 'a folder' : 'a device or pipe'}, not a file.`);
  } catch (error) {
    throw readError(path, error);
  }
}

/**
 * Up to `length` bytes from `offset`; fewer only at the end of the file.
 * @param buffer of `length` or more to read into; default: a new one
 */
export function readFully(
  descriptor: number,
  offset: number,
  length: number,
  buffer: Buffer = Buffer.allocUnsafe(length),
): Buffer {
  let filled = 0;
  while (filled < length) {
    const count = readSync(descriptor, buffer, filled, length - filled, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return buffer.subarray(0, filled);
}

/** The first bytes of a file, at most `length`. */
export function readFileStart(path: string, length: number): Buffer {
  return withInputFile(path, (file) => file.read(0, length));
}

/** The names in a folder, sorted. @throws InputError if it cannot be read */
export function listFolder(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    throw readError(path, error);
  }
}

/** What lies at a path; undefined if nothing does. */
export function fileStatus(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return undefined;
    throw readError(path, error);
  }
}

/** Where a path leads, through symbolic links. @throws InputError if that cannot be told */
export function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw readError(path, error);
  }
}

/** The InputError for a failed open, stat or list. */
export function readError(path: string, error: unknown): InputError {
  if (error instanceof InputError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new InputError(`${path} does not exist; check the path.`);
  if (code === 'EACCES') return new InputError(`${path} may not be read; check its permissions.`);
  return new InputError(`${path} cannot be read: ${messageOf(error)}.`);
}
