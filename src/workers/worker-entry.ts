/** The first module of every worker thread: loads the named module and answers each message with its output. */
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerModule } from './map-ordered.js';

export type WorkerReply<Output> =
  | { readonly kind: 'output'; readonly output: Output }
  | { readonly kind: 'error'; readonly name: string; readonly message: string; readonly stack?: string };

const { module, setup } = workerData as { module: string; setup: unknown };
const started = import(module).then(async (loaded: WorkerModule<unknown, unknown, unknown>) => ({
  work: await loaded.start(setup),
  transfers: loaded.transfers ?? (() => []),
}));
// Reported with the first input.
started.catch(() => {});
let queue: Promise<unknown> = Promise.resolve();

// One input after the other, so that replies keep their order.
parentPort?.on('message', (input: unknown) => {
  queue = queue.then(() => answer(input));
});

async function answer(input: unknown): Promise<void> {
  let reply: WorkerReply<unknown>;
  let handedOver: ArrayBuffer[] = [];
  try {
    const { work, transfers } = await started;
    const output = await work(input);
    reply = { kind: 'output', output };
    handedOver = transfers(output);
  } catch (error) {
    const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
    reply = { kind: 'error', name, message, ...(stack !== undefined && { stack }) };
  }
  parentPort?.postMessage(reply, handedOver);
}
