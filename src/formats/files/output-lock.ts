/**
 * One process at a time writes to an output. A hidden file beside it says who; a process that died leaves it behind, and the
 * next one takes it over. On a disk that several machines share, the name of the machine stands in it too.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError, isSystemError } from '../../errors/index.js';
import { removeEmptyParents, temporaryPathFor, writeError } from './atomic-write.js';
import { fileStatus, realPathOf } from './input-file.js';

interface Owner {
  readonly host: string;
  readonly pid: number;
  /** Tells a process from a later one of the same number; empty where the system does not say. */
  readonly start: string;
}

/** Of this process: its number alone does not tell two of its outputs apart. */
const held = new Set<string>();

/** A lock that is just being written has no owner in it yet. */
const YOUNG_MILLISECONDS = 10_000;

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
  try {
    firstMade = mkdirSync(folder, { recursive: true });
    take(lock, path);
  } catch (error) {
    if (firstMade !== undefined) removeEmptyParents(folder, firstMade);
    throw error instanceof InputError ? error : writeError(path, error, status !== undefined);
  }
  held.add(lock);
  return () => {
    if (!held.delete(lock)) return;
    rmSync(lock, { force: true });
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

function take(lock: string, path: string): void {
  const mine = `${hostname()} ${process.pid} ${startOf(process.pid)}\n`;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      writeFileSync(lock, mine, { flag: 'wx' });
      return;
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EEXIST') {
        rmSync(lock, { force: true }); // Made, but on a full disk nothing can be written into it.
        throw error;
      }
    }
    const found = readLock(lock);
    if (found === undefined) continue; // Released in this moment.
    if (isHeld(lock, found)) throw refusal(path, lock, found);
    setAside(lock, found);
  }
  throw refusal(path, lock, readLock(lock) ?? '');
}

/** Of two that find the same dead owner, the second moves the first one's new lock aside; it gives it back. */
function setAside(lock: string, dead: string): void {
  const aside = temporaryPathFor(lock, 'previous');
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  if (readLock(aside) === dead) rmSync(aside, { force: true });
  else renameSync(aside, lock);
}

function refusal(path: string, lock: string, text: string): InputError {
  const { pid, host } = ownerIn(text);
  const who = host === '' ? 'another process' : `process ${pid} on ${host}`;
  return new InputError(
    `${path}: ${who} is writing to it; wait for it, or name another output. If it is gone, remove ${lock}.`,
  );
}

function readLock(lock: string): string | undefined {
  try {
    return readFileSync(lock, 'utf8');
  } catch {
    return undefined;
  }
}

function ownerIn(text: string): Owner {
  const [host = '', pid = '', start = ''] = text.trim().split(' ');
  return { host, pid: Number(pid), start };
}

function isHeld(lock: string, text: string): boolean {
  const { host, pid, start } = ownerIn(text);
  if (host === '') return isYoung(lock);
  if (host !== hostname()) return true;
  if (pid === process.pid) return held.has(lock);
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  const startNow = startOf(pid);
  if (start !== '' && startNow !== '' && start !== startNow) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process is alive, too.
    return isSystemError(error) && error.code === 'EPERM';
  }
}

function isYoung(lock: string): boolean {
  const status = statSync(lock, { throwIfNoEntry: false });
  return status !== undefined && Date.now() - status.mtimeMs < YOUNG_MILLISECONDS;
}

/** Clock ticks from the start of the machine to that of the process (Linux); empty elsewhere. */
function startOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program stands in brackets and may hold anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
