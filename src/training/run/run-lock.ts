/** One run at a time writes into a folder. */
import { join } from 'node:path';
import { isLocked, realPathOf, takeLock } from '../../formats/index.js';

const LOCK_FILE = 'run.lock';

/**
 * Marks the folder, which is there, as written to by this run. Of several that are started together one gets the mark.
 * @returns takes the mark away
 * @throws InputError if another run that is alive has marked it (on another machine: if there is a mark)
 */
export function lockRun(folder: string): () => void {
  return takeLock(join(realPathOf(folder), LOCK_FILE), folder, 'is training into this folder');
}

/** Does a process that is alive train into the folder? */
export function isRunning(folder: string): boolean {
  return isLocked(join(folder, LOCK_FILE));
}
