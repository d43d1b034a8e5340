/**
 * A thread that ends this process when its parent has died. The channel tells so too, but only between two steps: not
 * while weights are read, nor to a step that hangs.
 */
import { Worker } from 'node:worker_threads';

const CHECK_MS = 1000;
/** Until then a clean end is left to the channel. */
const GRACE_CHECKS = 2;

/** Evaluated, so that no second file has to be found; the thread shares nothing with this one. */
const program = `
const parent = require('node:worker_threads').workerData;
let missing = 0;
setInterval(() => {
  missing = process.ppid === parent ? 0 : missing + 1;
  if (missing > ${GRACE_CHECKS}) process.kill(process.pid, 'SIGKILL');
}, ${CHECK_MS});
`;

/** @param parent its process id, told by itself: it may be gone before this thread runs */
export function watchParent(parent: number): void {
  // Small: it holds one timer.
  const resourceLimits = { maxOldGenerationSizeMb: 8, stackSizeMb: 1 };
  new Worker(program, { eval: true, workerData: parent, resourceLimits, execArgv: [] }).unref();
}
