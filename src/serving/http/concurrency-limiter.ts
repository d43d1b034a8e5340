/** Counts requests in progress: for the limit of a key, and for draining. */
import { HttpError } from './http-error.js';

export class ConcurrencyLimiter {
  readonly #perKey = new Map<string, number>();
  readonly #limit: number;

  /** @param limit requests of one key (or of all who have none) at the same time; 0: no limit */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @returns what to call when the request is over. @throws HttpError 429 */
  enter(keyName: string | undefined): () => void {
    const key = keyName ?? '';
    const count = this.#perKey.get(key) ?? 0;
    if (this.#limit > 0 && count >= this.#limit)
      throw new HttpError(429, {
        message: `${count} requests ${keyName === undefined ? '' : 'of this key '}are under way, ${this.#limit} may be; ask again when one has ended.`,
        code: 'concurrency_limit_exceeded',
        retryAfter: 1,
      });
    this.#perKey.set(key, count + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const left = (this.#perKey.get(key) ?? 1) - 1;
      if (left === 0) this.#perKey.delete(key);
      else this.#perKey.set(key, left);
    };
  }
}
