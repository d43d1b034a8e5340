/** Admits a request to the queue, or says when to try again. */
import { QueueFullError } from '../engine-service.js';

export interface QueueLimits {
  /** Requests that may wait. */
  readonly maxRequests: number;
  /** Prompt tokens that may wait. A request that finds the queue empty is let in whatever its length. */
  readonly maxTokens: number;
}

export interface QueueDepth {
  readonly requests: number;
  readonly tokens: number;
}

/** Requests that began to run lately tell how fast the queue moves. */
const RATE_WINDOW_MS = 30_000;
const MAX_STARTS = 256;
const UNKNOWN_RATE_SECONDS = 5;
const MAX_SECONDS = 60;

export class Admission {
  readonly #limits: QueueLimits;
  readonly #now: () => number;
  #starts: number[] = [];

  /** @param now milliseconds */
  constructor(limits: QueueLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Notes that a request has its first event. */
  started(): void {
    this.#starts.push(this.#now());
    if (this.#starts.length > MAX_STARTS) this.#starts.shift();
  }

  /** @throws QueueFullError if a request of so many prompt tokens may not join the waiting ones */
  check({ requests, tokens }: QueueDepth, promptTokens: number): void {
    const { maxRequests, maxTokens } = this.#limits;
    const isFull = requests >= maxRequests;
    if (!isFull && (requests === 0 || tokens + promptTokens <= maxTokens)) return;
    const problem = isFull
      ? `${requests} requests wait already, as many as may`
      : `the waiting requests have ${tokens} prompt tokens; with ${promptTokens} more there would be over ${maxTokens}`;
    const seconds = this.#waitSeconds(requests);
    throw new QueueFullError(`The queue is full: ${problem}. Ask again in ${seconds} s.`, seconds);
  }

  /** Time for a quarter of the queue to begin, at the rate of the last half minute; whole seconds, 1 to 60. */
  #waitSeconds(requests: number): number {
    const now = this.#now();
    this.#starts = this.#starts.filter((start) => now - start < RATE_WINDOW_MS);
    const first = this.#starts[0];
    if (first === undefined || now - first < 1) return UNKNOWN_RATE_SECONDS;
    const perSecond = (this.#starts.length * 1000) / (now - first);
    return Math.min(MAX_SECONDS, Math.max(1, Math.ceil(requests / 4 / perSecond)));
  }
}
