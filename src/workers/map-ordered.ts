/** A function over a stream of inputs on several threads; the outputs come in the order of the inputs. */
import { availableParallelism } from 'node:os';
import { WorkerThread } from './worker-thread.js';

/** What a worker module exports: `start` is called once on each thread, its result for each input. */
export interface WorkerModule<Setup, Input, Output> {
  start(setup: Setup): Work<Input, Output> | Promise<Work<Input, Output>>;
  /** Buffers of an output that the thread is done with: they are handed over instead of copied. */
  readonly transfers?: (output: Output) => ArrayBuffer[];
}

export type Work<Input, Output> = (input: Input) => Output | Promise<Output>;

/** The module for other threads by its URL, for this thread by `import`. Both must be the same module. */
export interface WorkerSource<Setup, Input, Output> {
  /** `new URL('./x-worker.js', import.meta.url)` */
  readonly url: URL;
  /** `() => import('./x-worker.js')` */
  readonly load: () => Promise<WorkerModule<Setup, Input, Output>>;
}

export interface MapOrderedOptions {
  /** Threads. 1: this thread alone. Default: one for each core. */
  readonly workers?: number | undefined;
}

/** Inputs handed to each thread before its oldest output is taken, so that none waits for this thread. */
const IN_FLIGHT_PER_WORKER = 3;

/**
 * Setup, inputs and outputs cross threads by structured clone. Inputs are read only as fast as outputs are taken;
 * leaving the loop ends the threads.
 * @throws what the work throws, an InputError as such; the outputs before it have come
 */
export async function* mapOrdered<Setup, Input, Output>(
  source: WorkerSource<Setup, Input, Output>,
  setup: Setup,
  inputs: Iterable<Input> | AsyncIterable<Input>,
  options: MapOrderedOptions = {},
): AsyncGenerator<Output, void> {
  const count = options.workers ?? availableParallelism();
  if (count <= 1) {
    const work = await (await source.load()).start(setup);
    for await (const input of inputs) yield await work(input);
    return;
  }
  const threads = Array.from({ length: count }, () => new WorkerThread<Input, Output>(source.url, setup));
  const pending: Promise<Output>[] = [];
  const next = (): Promise<Output> | undefined => pending.shift();
  try {
    let turn = 0;
    for await (const input of inputs) {
      const output = threads[turn++ % count]!.run(input);
      // Handled when it is taken; until then a rejection must not count as unhandled.
      output.catch(() => {});
      pending.push(output);
      if (pending.length >= count * IN_FLIGHT_PER_WORKER) yield await next()!;
    }
    for (let output = next(); output !== undefined; output = next()) yield await output;
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}
