/**
 * Where templates wait to be rendered. The operator's own runs in a process apart, so that no caller's template holds it up;
 * those of callers run one at a time, the keys in turns, and a key that has too many waiting is told to come back.
 */
import { HttpError } from '../http/index.js';
import {
  type RenderedChat,
  type TemplateInput,
  TemplateRenderer,
  type TemplateRendererOptions,
} from './chat-template.js';

export interface TemplateQueueOptions extends TemplateRendererOptions {
  /** Templates of one key that may wait. Default 8. */
  readonly maxWaitingPerKey?: number;
  /** Of all keys together. Default 64. */
  readonly maxWaiting?: number;
}

interface Waiting {
  readonly template: string;
  readonly input: TemplateInput;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (rendered: RenderedChat) => void;
  readonly reject: (error: unknown) => void;
}

export interface TemplateCaller {
  readonly keyName?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class TemplateQueue {
  readonly #own: TemplateRenderer;
  readonly #callers: TemplateRenderer;
  readonly #maxPerKey: number;
  readonly #max: number;
  /** By key; the first one is next. Those who have no key share one. */
  readonly #queues = new Map<string, Waiting[]>();
  #isBusy = false;

  constructor({ maxWaitingPerKey = 8, maxWaiting = 64, ...options }: TemplateQueueOptions = {}) {
    this.#own = new TemplateRenderer(options);
    this.#callers = new TemplateRenderer(options);
    this.#maxPerKey = maxWaitingPerKey;
    this.#max = maxWaiting;
  }

  /** The operator's template. @throws HttpError 400, 422 */
  async renderOwn(template: string, input: TemplateInput): Promise<RenderedChat> {
    return await this.#own.render(template, input);
  }

  /** A template that came with a request. @throws HttpError 400, 422; 429 where too many of this key wait already */
  async renderCallers(
    template: string,
    input: TemplateInput,
    { keyName = '', signal }: TemplateCaller = {},
  ): Promise<RenderedChat> {
    const queue = this.#queues.get(keyName) ?? [];
    const total = [...this.#queues.values()].reduce((sum, { length }) => sum + length, 0);
    if (queue.length >= this.#maxPerKey || total >= this.#max)
      throw new HttpError(429, {
        message: `${queue.length} chat templates ${keyName === '' ? '' : 'of this key '}are waiting to be rendered; ask again later.`,
        code: 'template_queue_full',
        retryAfter: 2,
      });
    return await new Promise<RenderedChat>((resolve, reject) => {
      queue.push({ template, input, signal, resolve, reject });
      this.#queues.set(keyName, queue);
      void this.#work();
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#own.close(), this.#callers.close()]);
  }

  async #work(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      const { template, input, signal, resolve, reject } = next;
      try {
        signal?.throwIfAborted();
        resolve(await this.#callers.render(template, input));
      } catch (error) {
        reject(error);
      }
    }
    this.#isBusy = false;
  }

  /** The oldest of the key whose turn it is; that key is then the last. */
  #take(): Waiting | undefined {
    for (const [key, queue] of this.#queues) {
      const next = queue.shift();
      this.#queues.delete(key);
      if (queue.length > 0) this.#queues.set(key, queue);
      if (next !== undefined) return next;
    }
    return undefined;
  }
}
