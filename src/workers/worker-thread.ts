/** One worker thread that applies a module's function to what it is given. */
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { InputError } from '../errors/index.js';
import type { WorkerReply } from './worker-entry.js';

/** Inputs are worked on one after the other, in their order. */
export class WorkerThread<Input, Output> {
  readonly #worker: Worker;
  readonly #waiting: { resolve: (output: Output) => void; reject: (error: unknown) => void }[] = [];
  #failure: Error | undefined;

  /** @param module exports what a WorkerModule has; @param setup what its `start` is given */
  constructor(module: URL, setup: unknown) {
    const entry = compiledModule(new URL('./worker-entry.js', import.meta.url));
    this.#worker = new Worker(entry, {
      workerData: { module: compiledModule(module).href, setup },
      // Options such as --input-type or --inspect are for the process's own first module.
      execArgv: [],
    });
    this.#worker.on('message', (reply: WorkerReply<Output>) => {
      const task = this.#waiting.shift();
      if (reply.kind === 'output') task?.resolve(reply.output);
      else task?.reject(revive(reply));
    });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) => this.#fail(new Error(`A worker thread ended with code ${code}.`)));
  }

  /** @throws what the work throws, an InputError as such; Error when the thread has ended */
  run(input: Input): Promise<Output> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(input);
    });
  }

  /** It died, by a fault or for want of memory. */
  get hasEnded(): boolean {
    return this.#failure !== undefined;
  }

  /** The thread keeps no process alive from now on. */
  unref(): void {
    this.#worker.unref();
  }

  /** Without waiting for what it is at. */
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
