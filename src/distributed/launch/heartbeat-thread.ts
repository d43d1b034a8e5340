/** The thread of a rank that tells the launcher what is marked, twice a second, whatever the main thread is at. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { BEAT_MILLISECONDS, formatBeat } from './beat.js';
import { SharedMark } from './shared-mark.js';

/** For a rank to save and end after its launcher has died. */
const ORPHAN_MILLISECONDS = 120_000;

const { descriptor, shared } = workerData;
const mark = new SharedMark(shared);

const timer = setInterval(beat, BEAT_MILLISECONDS);
beat();

function beat(): void {
  try {
    writeSync(descriptor, `${formatBeat(mark.read())}\n`);
  } catch (error) {
    // A launcher that reads nothing for the moment misses a beat.
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return;
    clearInterval(timer);
    endOrphan();
  }
}

/** Without the launcher nobody ends this rank, nor those that it waits for. */
function endOrphan(): void {
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), ORPHAN_MILLISECONDS);
}
