/** An engine whose sequences are watched; whoever calls it need not know. */
import { InputError } from '../../errors/index.js';
import type { SequenceEnd, TextEvent, TextRequest } from '../../generation/index.js';
import type { EngineService } from '../engine-service.js';
import { EngineWrapper } from '../engine-wrapper.js';
import type { ObservedReason, RequestObserver } from './request-observer.js';

export class ObservedEngine extends EngineWrapper {
  readonly #observe: () => RequestObserver;

  /** @param observe called for every sequence that the engine takes */
  constructor(engine: EngineService, observe: () => RequestObserver) {
    super(engine);
    this.#observe = observe;
  }

  override generate(request: TextRequest, signal?: AbortSignal): AsyncIterable<TextEvent> {
    // Refused requests are seen in the HTTP metrics; here count those that the engine took.
    const events = this.inner.generate(request, signal);
    return new ObservedEvents(events, request, signal, this.#observe());
  }
}

class ObservedEvents implements AsyncIterable<TextEvent> {
  readonly #events: AsyncIterable<TextEvent>;
  readonly #request: TextRequest;
  readonly #signal: AbortSignal | undefined;
  readonly #observer: RequestObserver;
  readonly #started = performance.now();
  #lastToken: number | undefined;
  #isOver = false;

  constructor(
    events: AsyncIterable<TextEvent>,
    request: TextRequest,
    signal: AbortSignal | undefined,
    observer: RequestObserver,
  ) {
    this.#events = events;
    this.#request = request;
    this.#signal = signal;
    this.#observer = observer;
    // A sequence can be cancelled before anyone asks for its first event.
    if (signal?.aborted === true) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TextEvent> {
    try {
      for await (const event of this.#events) {
        this.#see(event);
        yield event;
      }
      this.#finish('error', undefined);
    } catch (error) {
      if (error instanceof InputError) this.#refuse();
      else this.#finish(this.#signal?.aborted === true ? 'abort' : 'error', undefined);
      throw error;
    } finally {
      this.#finish('abort', undefined);
    }
  }

  readonly #onAbort = (): void => this.#finish('abort', undefined);

  #see({ ids, end }: TextEvent): void {
    if (ids.length > 0) {
      const now = performance.now();
      if (this.#lastToken === undefined) this.#observer.firstToken((now - this.#started) / 1000);
      else this.#observer.tokens(ids.length, (now - this.#lastToken) / 1000);
      this.#lastToken = now;
    }
    if (end !== undefined) this.#finish(end.finishReason, end);
  }

  /** Found out late, as of a grammar that does not compile: the answer is a 400, and no fault of the engine. */
  #refuse(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#observer.refused();
  }

  #finish(reason: ObservedReason, end: SequenceEnd | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#observer.finished(
      reason,
      end,
      { maxTokens: this.#request.maxNewTokens, promptTokens: this.#request.promptIds.length },
      (performance.now() - this.#started) / 1000,
    );
  }
}
