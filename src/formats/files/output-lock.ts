/** One process at a time writes to an output: a hidden lock file beside it says who. */
import { mkdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../../errors/index.js';
import { removeEmptyParents, writeError } from './atomic-write.js';
import { fileStatus, realPathOf } from './input-file.js';
import { takeLock } from './lock-file.js';

/**
 * Marks `path` (a file or folder that is there or is to be made) as written to by this process. Missing parents are made.
 * A device or pipe is not marked.
 * @returns takes the mark away, and parents that are still empty
 * @throws InputError if another process writes to it, or its folder cannot be written
 */
export function lockOutput(path: string): () => void {
  const status = fileStatus(path);
  if (status !== undefined && !status.isFile() && !status.isDirectory()) return () => {};
  const target = status === undefined ? resolve(path) : realPathOf(path);
  const folder = dirname(target);
  const lock = join(folder, `.${basename(target).slice(0, 200)}.lock`);
  let firstMade: string | undefined;
  let release: () => void;
  try {
    firstMade = mkdirSync(folder, { recursive: true });
    release = takeLock(lock, path, 'is writing to it');
  } catch (error) {
    if (firstMade !== undefined) removeEmptyParents(folder, firstMade);
    throw error instanceof InputError ? error : writeError(path, error, status !== undefined);
  }
  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    release();
    if (firstMade !== undefined) removeEmptyParents(folder, firstMade);
  };
}

/** As lockOutput, for the time that `work` takes. */
export async function withLockedOutput<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  const release = lockOutput(path);
  try {
    return await work();
  } finally {
    release();
  }
}
