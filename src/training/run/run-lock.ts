/** One run at a time writes into a folder. */
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { InputError } from '../../errors/index.js';

const LOCK_FILE = 'run.lock';

/** Locks that runs of this process hold. */
const held = new Set<string>();

/**
 * Marks the folder as written to by this run. Of several that are started together one gets the mark: it is made beside its
 * place and linked into it, which fails where one stands.
 * @returns takes the mark away
 * @throws InputError if another run that is alive has marked it (on another machine: if there is a mark)
 */
export function lockRun(folder: string): () => void {
  const path = resolve(join(folder, LOCK_FILE));
  if (held.has(path)) throw takenBy(folder, path, { host: hostname(), pid: process.pid });
  const mine = `${path}.${randomUUID()}`;
  writeFileSync(mine, `${hostname()} ${process.pid}\n`);
  try {
    while (!linked(mine, path)) takeAwayDead(folder, path);
  } finally {
    rmSync(mine, { force: true });
  }
  held.add(path);
  return () => {
    if (!held.delete(path)) return;
    if (readOwner(path)?.pid === process.pid) rmSync(path, { force: true });
  };
}

/** Does a process that is alive train into the folder? */
export function isRunning(folder: string): boolean {
  const owner = readOwner(join(folder, LOCK_FILE));
  // Of this process too: `isAlive` takes its own mark for one that was left behind.
  return owner !== undefined && (owner.pid === process.pid || isAlive(owner));
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the mark of a process that is gone. @throws InputError if it is alive */
function takeAwayDead(folder: string, path: string): void {
  const owner = readOwner(path);
  if (owner === undefined) return;
  if (isAlive(owner)) throw takenBy(folder, path, owner);
  // Of several that find the same dead mark one moves it; what another has put there meanwhile goes back.
  const moved = `${path}.${randomUUID()}`;
  try {
    renameSync(path, moved);
  } catch {
    return;
  }
  const found = readOwner(moved);
  if (found !== undefined && isAlive(found)) linked(moved, path);
  rmSync(moved, { force: true });
}

function takenBy(folder: string, path: string, { host, pid }: Owner): InputError {
  return new InputError(
    `${folder}: process ${pid} on ${host} is training into this folder; wait for it, or name another output. ` +
      `If it is gone, remove ${path}.`,
  );
}

interface Owner {
  readonly host: string;
  readonly pid: number;
}

function readOwner(path: string): Owner | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const [host = '', pid = ''] = text.trim().split(' ');
  return { host, pid: Number(pid) };
}

function isAlive({ host, pid }: Owner): boolean {
  // A mark that was cut off says nothing of anybody.
  if (host === '' || !Number.isSafeInteger(pid) || pid < 1) return false;
  if (host !== hostname()) return true;
  // Runs of this process are known: the number was that of one that is gone, as happens in containers.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process is alive, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
