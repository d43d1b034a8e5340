/**
 * The engine as the HTTP side sees it: behind this may stand an engine in this process (tests, small tools) or in one of
 * its own, which may die and come back.
 */
import type { EngineStats, TextEvent, TextRequest } from '../generation/index.js';

/** The engine is not there: still loading, restarting, or given up. HTTP answers 503. */
export class EngineUnavailableError extends Error {
  override readonly name = 'EngineUnavailableError';
  /** Seconds after which asking again makes sense. */
  readonly retryAfter: number;

  constructor(message: string, retryAfter = 5) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** The queue is full. HTTP answers 429. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError';
  readonly retryAfter: number;

  constructor(message: string, retryAfter = 1) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

export type EngineState =
  | { readonly kind: 'loading'; readonly detail: string }
  | { readonly kind: 'ready' }
  /** Died and is being started again. */
  | { readonly kind: 'restarting'; readonly detail: string }
  | { readonly kind: 'failed'; readonly detail: string };

export interface AdapterInfo {
  readonly name: string;
  readonly path: string;
}

export interface EngineService {
  readonly state: EngineState;
  /** True while steps go on, or there is nothing to do. False: the engine has stopped stepping with work before it. */
  readonly isResponsive: boolean;
  /** As last reported. */
  readonly stats: EngineStats;
  /** Greatest length of prompt and answer together that the cache and the model allow. */
  readonly maxModelLength: number;
  /** Loaded adapters, in order of loading. */
  readonly adapters: readonly AdapterInfo[];
  /**
   * Submits at once (before the first `next`) and gives what comes, the last event having `end`. Nothing is dropped: who
   * does not ask for more makes the sequence pause. Leaving the loop or aborting the signal cancels it in the engine
   * within one step.
   * @throws InputError for a request that cannot be served (also while iterating: a grammar that does not compile),
   *   EngineUnavailableError, QueueFullError
   */
  generate(request: TextRequest, signal?: AbortSignal): AsyncIterable<TextEvent>;
  /** @throws InputError for a name that is taken, a folder that is no adapter of this model */
  loadAdapter(adapter: AdapterInfo): Promise<void>;
  /** New weights under a name that is loaded: new requests take them, running ones finish with the old. Absent: cannot. */
  replaceAdapter?(adapter: AdapterInfo): Promise<void>;
  /** Waits for the requests that use it. @throws InputError for an unknown name */
  unloadAdapter(name: string): Promise<void>;
  /** Ends the engine; requests under way end with EngineUnavailableError. */
  close(): Promise<void>;
}
