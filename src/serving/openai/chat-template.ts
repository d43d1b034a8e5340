/**
 * Jinja chat templates in a thread of their own: a template is a program, and one that loops for ever or fills the memory ends
 * with that thread.
 */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { HttpError } from '../http/index.js';

export interface TemplateRendererOptions {
  /** Milliseconds. Default 1000. */
  readonly timeout?: number;
  /** Characters of the text. Default 4,000,000. */
  readonly maxLength?: number;
}

type Outcome = { readonly text: string } | { readonly fault: string };

/** Text, because the thread has to run from sources and from compiled files alike. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { Template } = require(workerData.jinja);
parentPort.on('message', ({ template, values, maxLength }) => {
  try {
    const text = new Template(template).render(values);
    if (text.length > maxLength) throw new Error('the text has ' + text.length + ' characters, ' + maxLength + ' are allowed');
    parentPort.postMessage({ text });
  } catch (error) {
    parentPort.postMessage({ fault: String(error && error.message || error).slice(0, 500) });
  }
});
`;

export class TemplateRenderer {
  readonly #timeout: number;
  readonly #maxLength: number;
  #worker: Worker | undefined;
  /** One template at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ timeout = 1000, maxLength = 4_000_000 }: TemplateRendererOptions = {}) {
    this.#timeout = timeout;
    this.#maxLength = maxLength;
  }

  /**
   * @param values plain data
   * @throws HttpError 422 for a template with faults, one that takes too long, a text too long
   */
  async render(template: string, values: Readonly<Record<string, unknown>>): Promise<string> {
    const outcome = this.#last.then(() => this.#run(template, values));
    this.#last = outcome.catch(() => undefined);
    const result = await outcome;
    if ('text' in result) return result.text;
    throw new HttpError(422, {
      message: `The chat template failed: ${result.fault}.`,
      param: 'chat_template',
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #run(template: string, values: Readonly<Record<string, unknown>>): Promise<Outcome> {
    const worker = this.#thread();
    return new Promise((resolve) => {
      const settle = (outcome: Outcome): void => {
        clearTimeout(timer);
        worker.off('message', settle);
        worker.off('error', fail);
        worker.off('exit', exit);
        resolve(outcome);
      };
      const fail = (error: Error): void => {
        this.#drop(worker);
        settle({ fault: error.message });
      };
      const exit = (): void => fail(new Error('its thread ended'));
      const timer = setTimeout(() => {
        this.#drop(worker);
        settle({ fault: `it took more than ${this.#timeout} ms` });
      }, this.#timeout);
      worker.on('message', settle);
      worker.on('error', fail);
      worker.on('exit', exit);
      worker.postMessage({ template, values, maxLength: this.#maxLength });
    });
  }

  #drop(worker: Worker): void {
    if (this.#worker === worker) this.#worker = undefined;
    // Without a listener a late error would be thrown here.
    worker.on('error', () => undefined);
    void worker.terminate();
  }

  #thread(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(THREAD, {
      // An --input-type of this process must not make a module of it.
      execArgv: [],
      eval: true,
      env: {},
      workerData: { jinja: createRequire(import.meta.url).resolve('@huggingface/jinja') },
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 32 },
    });
    worker.unref();
    this.#worker = worker;
    return worker;
  }
}
