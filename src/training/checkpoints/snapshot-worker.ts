/** Writes snapshots on a thread. */
import type { Work } from '../../workers/index.js';
import { type Snapshot, writeSnapshot } from './snapshot.js';

export function start(): Work<{ readonly folder: string; readonly snapshot: Snapshot }, string> {
  return async ({ folder, snapshot }) => {
    await writeSnapshot(folder, snapshot);
    return folder;
  };
}
