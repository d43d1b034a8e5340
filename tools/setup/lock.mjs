// A lock between processes: a file that holds its owner's process number and is touched while the owner lives.
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './report.mjs';
import { interruption } from './run-program.mjs';

const touchEvery = 2_000;
// An owner that has not touched its lock for this long is gone, even if its process number is in use again.
const deadAfter = 60_000;

/**
 * Waits for the lock, does the work, gives the lock back (also when the process exits).
 * @template T
 * @param {string} path
 * @param {() => T | Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, work) {
  mkdirSync(dirname(path), { recursive: true });
  let waiting = false;
  while (!acquire(path)) {
    if (!waiting) say(`waiting for another set-up (process ${readOwner(path) ?? 'unknown'}, ${path})`);
    waiting = true;
    await sleep(200, undefined, { signal: interruption.signal });
  }
  const release = () => rmSync(path, { force: true });
  const touch = setInterval(() => {
    const now = new Date();
    // Somebody may have deleted the whole folder.
    if (existsSync(path)) utimesSync(path, now, now);
  }, touchEvery);
  process.on('exit', release);
  try {
    return await work();
  } finally {
    clearInterval(touch);
    process.off('exit', release);
    release();
  }
}

/** @param {string} path @returns {boolean} */
function acquire(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  if (!isAbandoned(path)) return false;
  // Of several processes that see the same abandoned lock, the rename lets one have it.
  const removed = `${path}.${process.pid}`;
  try {
    renameSync(path, removed);
  } catch {
    return false;
  }
  rmSync(removed, { force: true });
  return acquire(path);
}

/** @param {string} path @returns {boolean} */
function isAbandoned(path) {
  const owner = readOwner(path);
  try {
    if (Date.now() - statSync(path).mtimeMs > deadAfter) return true;
    if (owner !== undefined) process.kill(owner, 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/** @param {string} path @returns {number | undefined} undefined while its owner is still writing it */
function readOwner(path) {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined;
  } catch {
    return undefined;
  }
}

/** @param {unknown} error @returns {string | undefined} such as ENOENT */
function codeOf(error) {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
