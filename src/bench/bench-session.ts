/** One call of `xinghe bench`: a temporary folder, a signal that Ctrl-C aborts, and nothing of either left behind. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskName } from './measure-entry.js';
import { ownSide } from './rounds/own-side.js';
import { interrupted, runSide } from './rounds/run-side.js';

export interface BenchSession {
  /** For what is made to measure with, and for what the sides write. */
  readonly folder: string;
  readonly signal: AbortSignal;
  /** Makes something in a process of its own, so that Ctrl-C ends it at once. */
  make(task: TaskName, settings: object): Promise<Readonly<Record<string, unknown>>>;
}

/** @throws InterruptedError after SIGINT or SIGTERM, when all processes have ended and the folder is gone */
export async function withBenchSession<Result>(
  body: (session: BenchSession) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  // A second one must not end the process before all is cleared away: children are killed within seconds.
  for (const signal of SIGNALS) process.on(signal, abort);
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-bench-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  const { signal } = controller;
  try {
    const result = await body({
      folder,
      signal,
      make: async (task, settings) => (await runSide(ownSide(task, settings), [], signal)).printed,
    });
    if (signal.aborted) throw interrupted();
    return result;
  } finally {
    remove();
    process.off('exit', remove);
    for (const each of SIGNALS) process.off(each, abort);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
