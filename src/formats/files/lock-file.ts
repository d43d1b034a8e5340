/**
 * A file that says which process has something to itself. A process that died leaves it behind, and the next one takes it
 * over. On a disk that several machines share, the name of the machine stands in it too.
 */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { InputError, isSystemError } from '../../errors/index.js';

interface Owner {
  readonly host: string;
  readonly pid: number;
  /** Tells a process from a later one of the same number; empty where the system does not say. */
  readonly start: string;
}

/** Of this process: its number alone does not tell two of its locks apart. */
const held = new Set<string>();

/** A lock that is just being written has no owner in it yet. */
const YOUNG_MILLISECONDS = 10_000;
const ATTEMPTS = 5;
/** Looking at a lock and removing it takes less. */
const TAKEOVER_MILLISECONDS = 20;

/**
 * Makes the lock file, whose folder is there.
 * @param what is locked, as a message names it
 * @param action what the owner does with it, as a message says it: "is writing to it"
 * @returns takes the lock away
 * @throws InputError if a process that lives has it; the system's error if the file cannot be made
 */
export function takeLock(lock: string, what: string, action: string): () => void {
  const mine = `${hostname()} ${process.pid} ${startOf(process.pid)}\n`;
  const refusal = (text: string): InputError => refusalBy(ownerIn(text), { lock, what, action });
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      writeFileSync(lock, mine, { flag: 'wx' });
      held.add(lock);
      return () => {
        if (held.delete(lock) && readLock(lock) === mine) rmSync(lock, { force: true });
      };
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EEXIST') {
        rmSync(lock, { force: true }); // Made, but on a full disk nothing can be written into it.
        throw error;
      }
    }
    const found = readLock(lock);
    if (found === undefined) continue; // Released in this moment.
    if (isHeld(lock, found)) throw refusal(found);
    removeDead(lock, found);
  }
  throw refusal(readLock(lock) ?? '');
}

/** Does a process that lives hold the lock? One of this process counts. */
export function isLocked(lock: string): boolean {
  const text = readLock(lock);
  return text !== undefined && (ownerIn(text).pid === process.pid || isHeld(lock, text));
}

/**
 * Takes the lock of a dead owner away. One process at a time looks and removes: of two, the second would remove the lock that the first
 * has made meanwhile.
 */
function removeDead(lock: string, dead: string): void {
  const guard = `${lock}.takeover`;
  try {
    writeFileSync(guard, '', { flag: 'wx' });
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
    // Left behind by one that died while it looked.
    if (!isYoung(guard)) rmSync(guard, { force: true });
    wait(TAKEOVER_MILLISECONDS);
    return;
  }
  try {
    if (readLock(lock) === dead) rmSync(lock, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

/** Keeps this thread waiting. */
function wait(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

interface LockTexts {
  readonly lock: string;
  readonly what: string;
  readonly action: string;
}

function refusalBy({ pid, host }: Owner, { lock, what, action }: LockTexts): InputError {
  const who = host === '' ? 'another process' : `process ${pid} on ${host}`;
  return new InputError(
    `${what}: ${who} ${action}; wait for it, or name another output. If it is gone, remove ${lock}.`,
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
