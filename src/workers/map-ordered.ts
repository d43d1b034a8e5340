/** Maps a stream of inputs over several threads; outputs come in the order of the inputs. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { InputError } from '../errors/index.js';
import type { WorkerReply } from './worker-entry.js';

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
  const threads = Array.from({ length: count }, () => new Thread<Input, Output>(source.url, setup));
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

class Thread<Input, Output> {
  readonly #worker: Worker;
  readonly #waiting: { resolve: (output: Output) => void; reject: (error: unknown) => void }[] = [];
  #failure: Error | undefined;

  constructor(module: URL, setup: unknown) {
    const entry = compiledModule(new URL('./worker-entry.js', import.meta.url));
    this.#worker = new Worker(entry, { workerData: { module: compiledModule(module).href, setup } });
    this.#worker.on('message', (reply: WorkerReply<Output>) => {
      const task = this.#waiting.shift();
      if (reply.kind === 'output') task?.resolve(reply.output);
      else task?.reject(revive(reply));
    });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) => this.#fail(new Error(`A worker thread ended with code ${code}.`)));
  }

  run(input: Input): Promise<Output> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(input);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const task of this.#waiting.splice(0)) task.reject(this.#failure);
  }
}

function revive({ name, message, stack }: Extract<WorkerReply<unknown>, { kind: 'error' }>): Error {
  if (name === 'InputError') return new InputError(message);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** Threads run compiled modules only; where the sources run as they are (tests), the compiled one lies in dist/. */
export function compiledModule(url: URL): URL {
  const path = fileURLToPath(url);
  return existsSync(path)
    ? url
    : pathToFileURL(path.replace(/([\\/])src([\\/](?!.*[\\/]src[\\/]))/, '$1dist$2'));
}
