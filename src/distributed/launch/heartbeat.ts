/**
 * What a rank tells its launcher. The step and phase that it is at are noted in shared memory, which costs next to nothing; a thread
 * of its own sends them, so that a rank whose main thread waits in a collective is still heard, and one that is stopped (SIGSTOP) or
 * gone is not. Without our launcher nothing is sent.
 */
import { Worker } from 'node:worker_threads';
import { compiledModule } from '../../workers/index.js';
import { LAUNCHER_PIPE } from './beat.js';
import { acceptHandedSignals } from './handed-signals.js';
import { SharedMark } from './shared-mark.js';

export interface Mark {
  /** Optimiser steps done, or whatever the command counts. */
  readonly step: number;
  /**
   * What the rank is about to do: "forward", "save". undefined: it waits for work, for any time. Every other phase ends within the
   * launcher's --timeout, or is marked again while it goes on; at most 60 bytes.
   */
  readonly phase: string | undefined;
}

let mark: SharedMark | undefined;

/** Called once, early: from now on the launcher hears that this process lives. Does nothing without our launcher. */
export function startHeartbeat(): void {
  const descriptor = Number(process.env[LAUNCHER_PIPE]);
  if (!Number.isInteger(descriptor)) return;
  // A program that this one starts has no such pipe.
  delete process.env[LAUNCHER_PIPE];
  acceptHandedSignals();
  mark = new SharedMark();
  const thread = new Worker(compiledModule(new URL('./heartbeat-thread.js', import.meta.url)), {
    workerData: { descriptor, shared: mark.shared },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
  });
  // The launcher then hears nothing of the rank, and says so in time.
  thread.on('error', () => undefined);
  thread.unref();
}

/** Notes progress. Cheap enough for every micro-batch and every exchange; does nothing without our launcher. */
export function heartbeat({ step, phase }: Mark): void {
  mark?.write(step, phase ?? '');
}
