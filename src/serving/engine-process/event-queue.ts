/** The events of one request between producer and consumer. */
import type { TextEvent } from '../../generation/index.js';

/** A consumer that is this many events behind makes its sequence pause, and go on when it has come down to the second. */
export const LAG_LIMIT = 32;
const CAUGHT_UP = 8;

export interface EventQueueHooks {
  readonly onLag: () => void;
  readonly onCaughtUp: () => void;
  /** The consumer left before the end. */
  readonly onLeave: () => void;
}

interface Consumer {
  readonly resolve: (result: IteratorResult<TextEvent, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: IteratorResult<TextEvent, undefined> = { done: true, value: undefined };

/** Nothing is dropped; what comes after the end or a failure is. */
export class EventQueue implements AsyncIterableIterator<TextEvent, undefined> {
  readonly #hooks: EventQueueHooks;
  #events: TextEvent[] = [];
  #consumers: Consumer[] = [];
  #isPaused = false;
  #isClosed = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(hooks: EventQueueHooks) {
    this.#hooks = hooks;
  }

  push(event: TextEvent): void {
    if (this.#isClosed) return;
    const taker = this.#consumers.shift();
    if (taker === undefined) this.#events.push(event);
    else taker.resolve({ done: false, value: event });
    if (event.end !== undefined) this.#close();
    else if (!this.#isPaused && this.#events.length >= LAG_LIMIT) {
      this.#isPaused = true;
      this.#hooks.onLag();
    }
  }

  /** What has come is still given, then `error` is thrown. */
  fail(error: unknown): void {
    if (this.#isClosed) return;
    const taker = this.#consumers.shift();
    if (taker === undefined) this.#failure = { error };
    else taker.reject(error);
    this.#close();
  }

  /** As `fail`, but what has come is forgotten: nobody wants it any more. */
  abort(error: unknown): void {
    this.#events = [];
    this.fail(error);
  }

  next(): Promise<IteratorResult<TextEvent, undefined>> {
    const value = this.#events.shift();
    if (value !== undefined) {
      if (this.#isPaused && this.#events.length <= CAUGHT_UP) {
        this.#isPaused = false;
        if (!this.#isClosed) this.#hooks.onCaughtUp();
      }
      return Promise.resolve({ done: false, value });
    }
    if (this.#failure !== undefined) {
      const { error } = this.#failure;
      this.#failure = undefined;
      return Promise.reject(error);
    }
    if (this.#isClosed) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#consumers.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<TextEvent, undefined>> {
    const hasLeft = !this.#isClosed;
    this.#events = [];
    this.#failure = undefined;
    this.#close();
    if (hasLeft) this.#hooks.onLeave();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #close(): void {
    this.#isClosed = true;
    for (const taker of this.#consumers.splice(0)) taker.resolve(DONE);
  }
}
