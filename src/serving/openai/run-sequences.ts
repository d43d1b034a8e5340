/** Several sequences of one HTTP request through the engine, side by side. */
import { setMaxListeners } from 'node:events';
import type { SequenceEnd, TextEvent, TextRequest } from '../../generation/index.js';
import { type EngineService, QueueFullError } from '../engine-service.js';
import { ClientGoneError } from '../http/index.js';

export interface RunSequencesOptions {
  readonly engine: EngineService;
  /** Sequences with the engine at the same time; the others follow as these end. At least 1. */
  readonly maxSequences: number;
  /** The client's: cancels all. */
  readonly signal: AbortSignal;
  /** The next event of a sequence is asked for when this has settled: who writes to a slow client makes it pause. */
  readonly onEvent: (index: number, event: TextEvent) => Promise<void> | void;
}

/**
 * Settles when all have ended. The first failure cancels the others.
 * @throws as EngineService.generate; QueueFullError only if not even one sequence found a place
 */
export async function runSequences(
  requests: readonly TextRequest[],
  { engine, maxSequences, signal, onEvent }: RunSequencesOptions,
): Promise<void> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  // Every sequence listens.
  setMaxListeners(0, either);
  let next = 0;
  let running = 0;
  const waiting: (() => void)[] = [];
  const wakeAll = (): void => {
    for (const wake of waiting.splice(0)) wake();
  };
  const runOne = async (index: number, request: TextRequest): Promise<void> => {
    let end: SequenceEnd | undefined;
    running += 1;
    try {
      for await (const event of engine.generate(request, either)) {
        await onEvent(index, event);
        end = event.end;
      }
    } finally {
      running -= 1;
    }
    // Not where it was refused: those who wait would wake each other for ever.
    wakeAll();
    if (end !== undefined) return;
    if (signal.aborted) throw signal.reason instanceof Error ? signal.reason : new ClientGoneError();
    if (!failure.signal.aborted) throw new Error('the engine gave no end of a sequence');
  };
  const runNext = async (): Promise<void> => {
    while (next < requests.length && !either.aborted) {
      const index = next++;
      const request = requests[index];
      if (request === undefined) return;
      for (;;)
        try {
          await runOne(index, request);
          break;
        } catch (error) {
          // A full queue refuses who comes; who has begun waits for its own sequences to make room.
          if (!(error instanceof QueueFullError) || running === 0) throw error;
          await new Promise<void>((resolve) => waiting.push(resolve));
        }
    }
  };
  const runners = Array.from({ length: Math.min(maxSequences, requests.length) }, () =>
    runNext().catch((error: unknown) => {
      failure.abort();
      wakeAll();
      throw error;
    }),
  );
  const outcomes = await Promise.allSettled(runners);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
