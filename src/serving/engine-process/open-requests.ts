/** Routes requests to the engine and events back: an id and an event queue for each open request. */
import type { TextEvent, TextRequest } from '../../generation/index.js';
import type { QueueDepth } from './admission.js';
import { EventQueue } from './event-queue.js';

/** The way to the engine. `submit` may throw what the engine throws. */
export interface EngineCommands {
  submit(id: string, request: TextRequest): void;
  cancel(id: string): void;
  pause(id: string): void;
  resume(id: string): void;
}

interface OpenRequest {
  readonly queue: EventQueue;
  readonly adapter: string | undefined;
  readonly promptTokens: number;
  readonly stopListening: () => void;
  hasBegun: boolean;
}

export class OpenRequests {
  readonly #commands: EngineCommands;
  readonly #onBegin: () => void;
  readonly #open = new Map<string, OpenRequest>();
  readonly #adapterWaiters = new Map<string, (() => void)[]>();
  #count = 0;

  /** @param onBegin called when a request has its first event */
  constructor(commands: EngineCommands, onBegin: () => void = () => undefined) {
    this.#commands = commands;
    this.#onBegin = onBegin;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Requests without an event yet: those that wait, and those whose prompt is being read. */
  get notBegun(): QueueDepth {
    let requests = 0;
    let tokens = 0;
    for (const { hasBegun, promptTokens } of this.#open.values())
      if (!hasBegun) {
        requests += 1;
        tokens += promptTokens;
      }
    return { requests, tokens };
  }

  /** Submits. @throws what `submit` throws, the signal's reason if it is aborted already */
  open(request: TextRequest, signal?: AbortSignal): AsyncIterableIterator<TextEvent, undefined> {
    signal?.throwIfAborted();
    const id = `r${++this.#count}`;
    this.#commands.submit(id, request);
    const queue = new EventQueue({
      onLag: () => this.#commands.pause(id),
      onCaughtUp: () => this.#commands.resume(id),
      onLeave: () => this.#cancel(id),
    });
    const onAbort = (): void => {
      this.#cancel(id);
      queue.abort(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const stopListening = (): void => signal?.removeEventListener('abort', onAbort);
    const promptTokens = request.promptIds.length;
    this.#open.set(id, { queue, adapter: request.adapter, promptTokens, stopListening, hasBegun: false });
    return queue;
  }

  deliver(id: string, event: TextEvent): void {
    const request = this.#open.get(id);
    if (request === undefined) return; // cancelled while this was on its way
    if (!request.hasBegun) {
      request.hasBegun = true;
      this.#onBegin();
    }
    if (event.end !== undefined) this.#close(id, request);
    request.queue.push(event);
  }

  fail(id: string, error: unknown): void {
    const request = this.#open.get(id);
    if (request === undefined) return;
    this.#close(id, request);
    request.queue.fail(error);
  }

  failAll(error: unknown): void {
    for (const id of [...this.#open.keys()]) this.fail(id, error);
  }

  /** Resolves when no request uses the adapter. */
  async adapterIdle(name: string): Promise<void> {
    while ([...this.#open.values()].some(({ adapter }) => adapter === name))
      await new Promise<void>((resolve) => {
        const waiters = this.#adapterWaiters.get(name) ?? [];
        this.#adapterWaiters.set(name, [...waiters, resolve]);
      });
  }

  #cancel(id: string): void {
    const request = this.#open.get(id);
    if (request === undefined) return;
    this.#close(id, request);
    this.#commands.cancel(id);
  }

  #close(id: string, { adapter, stopListening }: OpenRequest): void {
    stopListening();
    this.#open.delete(id);
    if (adapter === undefined) return;
    const waiters = this.#adapterWaiters.get(adapter) ?? [];
    this.#adapterWaiters.delete(adapter);
    for (const resolve of waiters) resolve();
  }
}
