/** Files and folders that appear whole or not at all, with errors that say what to do. */
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError, messageOf } from '../../errors/index.js';
import { fileStatus } from './input-file.js';

/** Appends a chunk of the content. */
export type WriteChunk = (chunk: Uint8Array | string) => void;

/**
 * Writes a whole file or nothing: into a temporary file beside the target, synced, then renamed over it. Until
 * the rename an older file at `path` stays as it was; after a failure the temporary file is gone. Missing parents are made
 * (and removed again after a failure).
 * A device or pipe at `path` (/dev/stdout) is written directly.
 * @param content the bytes, a text (UTF-8), or a function that yields the chunks in order.
 * @throws InputError if the disk is full or the path cannot be written; whatever `content` throws.
 */
export function writeFileAtomic(
  path: string,
  content: Uint8Array | string | ((write: WriteChunk) => void),
): void {
  const target = fileStatus(path);
  if (target?.isDirectory()) throw new InputError(`${path} is a folder; name a file to write.`);
  const direct = target !== undefined && !target.isFile();
  if (!direct) sweepLeftovers(path);
  const temporary = direct ? path : temporaryPathFor(path);
  let made = false;
  let firstMade: string | undefined;
  try {
    if (!direct) firstMade = mkdirSync(dirname(resolve(path)), { recursive: true });
    const descriptor = openSync(temporary, direct ? 'w' : 'wx');
    made = !direct;
    try {
      const write = (chunk: Uint8Array | string): void => writeFully(descriptor, chunk);
      if (typeof content === 'function') content(write);
      else write(content);
      if (!direct) fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (direct) return;
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    if (made) removeTemporary(temporary);
    if (firstMade !== undefined) removeEmptyParents(dirname(resolve(path)), firstMade);
    throw writeError(path, error, target !== undefined);
  }
}

/**
 * Whether a file can be written at `path`, asked before long work: no folder stands there, and the nearest folder above
 * that exists may be written. What happens meanwhile, the writing itself finds.
 * @throws InputError if not
 */
export function checkWritable(path: string): void {
  const status = fileStatus(path);
  if (status?.isDirectory()) throw new InputError(`${path} is a folder; name a file to write.`);
  if (status !== undefined && !status.isFile()) return;
  let folder = dirname(resolve(path));
  while (fileStatus(folder) === undefined) folder = dirname(folder);
  try {
    // The slash: a file in the folder's place is an error.
    accessSync(`${folder}/`, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw writeError(path, error, status !== undefined);
  }
}

export interface WriteFolderOptions {
  /** Exchange a folder that already holds something. Default false: that is an InputError. */
  readonly replace?: boolean;
}

/**
 * Fills a whole folder or none: `write` gets an empty temporary folder beside `path`, which is renamed to `path`
 * when it is done and removed when it throws. Missing parents are made (and removed again after a failure).
 * @returns what `write` returned.
 * @throws InputError if `path` is a file, holds something (without `replace`) or cannot be written.
 */
export async function writeFolderAtomic<T>(
  path: string,
  write: (temporary: string) => T | Promise<T>,
  options: WriteFolderOptions = {},
): Promise<T> {
  const { replace = false } = options;
  sweepLeftovers(fileStatus(path) === undefined ? resolve(path) : realpathSync(path));
  const exists = refuseOccupied(path, replace);
  const target = exists ? realpathSync(path) : resolve(path);
  const temporary = temporaryPathFor(target);
  let firstMade: string | undefined;
  try {
    firstMade = mkdirSync(dirname(target), { recursive: true });
    mkdirSync(temporary);
    const result = await write(temporary);
    syncFolder(temporary);
    exchangeFolder(temporary, target, replace);
    syncFolder(dirname(target));
    return result;
  } catch (error) {
    removeTemporary(temporary);
    if (firstMade !== undefined) removeEmptyParents(dirname(target), firstMade);
    if (error instanceof InputError) throw outerError(error, temporary, target, exists);
    throw writeError(path, error, exists);
  }
}

/**
 * As writeFileAtomic, for a file that other functions write and check: `write` gets an empty temporary folder beside
 * `path` and the path in it to write to; that file is then renamed to `path`, over an older one only with `replace`. Missing parents as there.
 * @returns what `write` returned.
 */
export async function writeFileStaged<T>(
  path: string,
  write: (temporary: string, file: string) => T | Promise<T>,
  options: WriteFolderOptions = {},
): Promise<T> {
  const status = fileStatus(path);
  if (status?.isDirectory() === true) throw new InputError(`${path} is a folder; name a file to write.`);
  if (status !== undefined && options.replace !== true)
    throw new InputError(`${path} already exists; name another file for the output.`);
  sweepLeftovers(path);
  const temporary = temporaryPathFor(path);
  const file = join(temporary, basename(path));
  let firstMade: string | undefined;
  try {
    firstMade = mkdirSync(dirname(resolve(path)), { recursive: true });
    mkdirSync(temporary);
    const result = await write(temporary, file);
    renameSync(file, path);
    syncFolder(dirname(path));
    return result;
  } catch (error) {
    removeTemporary(temporary);
    if (firstMade !== undefined) removeEmptyParents(dirname(resolve(path)), firstMade);
    if (error instanceof InputError) throw outerError(error, file, path, status !== undefined);
    throw writeError(path, error, status !== undefined);
  } finally {
    removeTemporary(temporary);
  }
}

/** Of a file inside the temporary place, said of the place that was asked for. */
function outerError(error: InputError, temporary: string, path: string, existed: boolean): InputError {
  const message = error.message.replaceAll(temporary, path);
  return new InputError(existed ? message.replace(NOTHING_LEFT, UNCHANGED) : message);
}

/** Where it cannot be removed (or made: a part of the path is a file), what happened before is what counts. */
function removeTemporary(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // The next run sweeps it.
  }
}

function refuseOccupied(path: string, replace: boolean): boolean {
  const status = fileStatus(path);
  if (status === undefined) return false;
  if (!status.isDirectory()) {
    throw new InputError(`${path} is not a folder; name a new folder for the output.`);
  }
  if (!replace && readdirSync(path).length > 0) {
    throw new InputError(`${path} already holds files; name a new or an empty folder for the output.`);
  }
  return true;
}

/**
 * rename replaces an empty folder by itself; a full one is first moved aside, and back if the rename fails. A process that
 * is killed in between leaves it under a name from which the next run brings it back.
 */
function exchangeFolder(temporary: string, target: string, replace: boolean): void {
  const occupied = fileStatus(target) !== undefined && readdirSync(target).length > 0;
  if (!occupied || !replace) {
    renameSync(temporary, target);
    return;
  }
  const old = temporaryPathFor(target, 'previous');
  renameSync(target, old);
  try {
    renameSync(temporary, target);
  } catch (error) {
    renameSync(old, target);
    throw error;
  }
  removeTemporary(old);
}

/** Takes away the folders from `from` up to `last` that are empty. */
export function removeEmptyParents(from: string, last: string): void {
  for (let folder = from; folder.startsWith(last); folder = dirname(folder)) {
    try {
      rmdirSync(folder);
    } catch {
      return; // Someone else wrote there meanwhile.
    }
  }
}

/** partial: being written; previous: moved aside for the moment of an exchange. */
type LeftoverKind = 'partial' | 'previous';

/** Hidden, in the same folder (rename must not cross file systems), never the name of an older leftover. */
export function temporaryPathFor(path: string, kind: LeftoverKind = 'partial'): string {
  return join(
    dirname(path),
    `${temporaryPrefix(path, kind)}${process.pid}-${randomBytes(6).toString('hex')}`,
  );
}

/** With the machine's name: process numbers of another one that shares the disk say nothing here. */
function temporaryPrefix(path: string, kind: LeftoverKind): string {
  return `.${basename(path).slice(0, 150)}.${kind}-${hostname().slice(0, 40)}-`;
}

/**
 * Removes what a killed process of this machine left behind while it wrote to `path`; what it had moved aside comes back if
 * nothing took its place.
 */
function sweepLeftovers(path: string): void {
  const folder = dirname(resolve(path));
  try {
    const names = readdirSync(folder);
    for (const kind of ['previous', 'partial'] as const) {
      const prefix = temporaryPrefix(path, kind);
      for (const name of names) {
        if (!name.startsWith(prefix)) continue;
        const owner = Number.parseInt(name.slice(prefix.length), 10);
        if (isAlive(owner)) continue;
        if (kind === 'previous' && fileStatus(path) === undefined) renameSync(join(folder, name), path);
        else rmSync(join(folder, name), { recursive: true, force: true });
      }
    }
  } catch {
    // A folder that is not there or may not be listed: the write itself tells what is wrong.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process is alive, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function writeFully(descriptor: number, chunk: Uint8Array | string): void {
  const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  for (let written = 0; written < bytes.byteLength; ) {
    // One system call moves at most 2 GiB.
    const length = Math.min(bytes.byteLength - written, 2 ** 30);
    written += writeSync(descriptor, bytes, written, length);
  }
}

/** Makes the rename itself durable. Some file systems refuse to sync a folder; the content is safe by then. */
export function syncFolder(path: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    fsyncSync(descriptor);
  } catch {
    // Nothing that a caller could do better.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

const UNCHANGED = 'What stood there before is unchanged.';
const NOTHING_LEFT = 'Nothing was left behind.';

const WRITE_PROBLEMS = new Map<unknown, string>([
  ['ENOSPC', 'the disk is full; free some space'],
  ['EDQUOT', 'the disk quota is used up; free some space'],
  ['EFBIG', 'the file system does not take files of this size'],
  ['EACCES', 'no permission to write there; choose another place'],
  ['EPERM', 'no permission to write there; choose another place'],
  ['EROFS', 'the file system is read-only; choose another place'],
  ['ENOENT', 'its folder does not exist; create it first'],
  ['ENOTDIR', 'a part of the path is a file; choose another place'],
  ['EEXIST', 'a part of the path is a file; choose another place'],
  ['EBUSY', 'it is a mount point; name a folder inside it'],
  ['EXDEV', 'it is a mount point; name a folder inside it'],
  ['ENOTEMPTY', 'other files were written there meanwhile; choose another place'],
  ['ENAMETOOLONG', 'the name is too long'],
]);

/** Beside or below the target, or a folder above it that could not be made. */
function isOnTheWay(path: string, folder: string): boolean {
  return path.startsWith(folder) || `${folder}/`.startsWith(`${path}/`);
}

/** A place that cannot be written to; what had been begun there is gone. */
export class UnwritableError extends InputError {
  /** With the way out. */
  readonly problem: string;

  constructor(path: string, problem: string, existed: boolean) {
    super(`${path} could not be written: ${problem}. ${existed ? UNCHANGED : NOTHING_LEFT}`);
    this.problem = problem;
  }
}

/** An InputError for what the user can put right about the place; an error about another place as it is. */
export function writeError(path: string, error: unknown, existed: boolean): unknown {
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return error;
  if ('path' in error && !isOnTheWay(resolve(String(error.path)), dirname(resolve(path)))) return error;
  const problem = WRITE_PROBLEMS.get(error.code) ?? messageOf(error);
  return new UnwritableError(path, problem, existed);
}
