/** One run at a time writes into a folder. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';

const LOCK_FILE = 'run.lock';

/**
 * Marks the folder as written to by this process.
 * @returns takes the mark away
 * @throws InputError if another process that is alive has marked it (on another machine: if there is a mark)
 */
export function lockRun(folder: string): () => void {
  const path = join(folder, LOCK_FILE);
  const mine = `${hostname()} ${process.pid}\n`;
  const owner = readOwner(path);
  if (owner !== undefined && isAlive(owner))
    throw new InputError(
      `${folder}: process ${owner.pid} on ${owner.host} is training into this folder; wait for it, or name another output. ` +
        `If it is gone, remove ${path}.`,
    );
  writeFileSync(path, mine);
  return () => {
    if (readOwner(path)?.pid === process.pid) rmSync(path, { force: true });
  };
}

/** Does a process that is alive train into the folder? */
export function isRunning(folder: string): boolean {
  const owner = readOwner(join(folder, LOCK_FILE));
  // Of this process too: `isAlive` takes its own mark for one that was left behind.
  return owner !== undefined && (owner.pid === process.pid || isAlive(owner));
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
  if (host !== hostname()) return true;
  if (pid === process.pid || !Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process is alive, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
