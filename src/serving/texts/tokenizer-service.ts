/**
 * Tokenizes, renders and decodes for the routes. What is short is done at once; what would keep others waiting goes to a
 * thread with a tokenizer of its own, the shortest first.
 */
import type { ChatMessage } from '../../models/index.js';
import type { RenderedTemplate } from '../../templates/index.js';
import { WorkerThread } from '../../workers/index.js';
import type { ChatTurn } from '../chat-prompt.js';
import type { LoadServedModelOptions, RenderChatOptions, ServedModel } from '../served-model.js';
import { type DecodeJob, idsOfJob, sizeOfJob, type TextJob, textOfJob } from './text-job.js';
import type { ThreadResult } from './text-thread.js';

/** Characters, or ids, that are worked on at once: a few milliseconds. */
const AT_ONCE = 4096;

interface Waiting {
  readonly job: TextJob | DecodeJob;
  readonly size: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: ThreadResult) => void;
  readonly reject: (error: unknown) => void;
}

export class TokenizerService {
  readonly #model: ServedModel;
  readonly #load: LoadServedModelOptions | undefined;
  readonly #waiting: Waiting[] = [];
  #thread: WorkerThread<TextJob | DecodeJob, ThreadResult> | undefined;
  #isBusy = false;

  /** @param load how a thread gets the same model. Default: no thread, everything at once (tests, small tools) */
  constructor(model: ServedModel, load?: LoadServedModelOptions) {
    this.#model = model;
    this.#load = load;
  }

  /** Ids of a text. @param addSpecialTokens default true */
  async encode(text: string, addSpecialTokens = true, signal?: AbortSignal): Promise<readonly number[]> {
    return await this.#ids({ kind: 'encode', text, addSpecialTokens }, signal);
  }

  /** Of a rendered chat template, as `ChatTemplate.renderMarked` gives it. @throws InputError as `cutContents` */
  async encodeRendered(
    { text, marked }: Pick<RenderedTemplate, 'text' | 'marked'>,
    signal?: AbortSignal,
  ): Promise<readonly number[]> {
    return await this.#ids({ kind: 'rendered', text, marked }, signal);
  }

  /** @throws InputError for a conversation that the format cannot render */
  async renderChat(
    turns: readonly ChatTurn[],
    options: RenderChatOptions = {},
    signal?: AbortSignal,
  ): Promise<readonly number[]> {
    return await this.#ids({ kind: 'chat', turns, options }, signal);
  }

  /** The oldest turns are left out where it is longer than `maxLength`. @throws InputError */
  async renderDialog(
    messages: readonly ChatMessage[],
    maxLength: number,
    signal?: AbortSignal,
  ): Promise<readonly number[]> {
    return await this.#ids({ kind: 'dialog', messages, maxLength }, signal);
  }

  async decode(ids: readonly number[], skipSpecialTokens: boolean, signal?: AbortSignal): Promise<string> {
    const job: DecodeJob = { kind: 'decode', ids, skipSpecialTokens };
    if (this.#isShort(job)) return textOfJob(job, this.#model);
    const result = await this.#handOver(job, signal);
    if (typeof result === 'string') return result;
    throw new Error('a thread gave ids where a text was asked for');
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the server has ended'));
    await thread?.end();
  }

  async #ids(job: TextJob, signal: AbortSignal | undefined): Promise<readonly number[]> {
    if (this.#isShort(job)) return idsOfJob(job, this.#model);
    const result = await this.#handOver(job, signal);
    if (typeof result !== 'string') return Array.from(result);
    throw new Error('a thread gave a text where ids were asked for');
  }

  #isShort(job: TextJob | DecodeJob): boolean {
    return this.#load === undefined || sizeOfJob(job) <= AT_ONCE;
  }

  async #handOver(job: TextJob | DecodeJob, signal: AbortSignal | undefined): Promise<ThreadResult> {
    return await new Promise<ThreadResult>((resolve, reject) => {
      this.#waiting.push({ job, size: sizeOfJob(job), signal, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#isBusy || this.#load === undefined) return;
    const next = this.#takeShortest();
    if (next === undefined) return;
    if (next.signal?.aborted === true) {
      next.reject(next.signal.reason);
      this.#next();
      return;
    }
    this.#isBusy = true;
    if (this.#thread === undefined) {
      this.#thread = new WorkerThread(new URL('./text-thread.js', import.meta.url), this.#load);
      this.#thread.unref();
    }
    this.#thread
      .run(next.job)
      .then(next.resolve, (error: unknown) => {
        // A thread that died must not be asked again; one that refuses a text goes on.
        if (this.#thread?.hasEnded === true) this.#thread = undefined;
        next.reject(error);
      })
      .finally(() => {
        this.#isBusy = false;
        this.#next();
      });
  }

  #takeShortest(): Waiting | undefined {
    const sizes = this.#waiting.map(({ size }) => size);
    return this.#waiting.splice(sizes.indexOf(Math.min(...sizes)), 1)[0];
  }
}
