/** No more than so many questions in a second, and none for a while after a server asked for that. */
import { setTimeout as sleep } from 'node:timers/promises';

export class RateLimit {
  readonly #spacing: number;
  #next = 0;

  /** @param perSecond undefined: as fast as it goes */
  constructor(perSecond: number | undefined) {
    this.#spacing = perSecond === undefined ? 0 : 1000 / perSecond;
  }

  /** Waits for its turn. */
  async take(): Promise<void> {
    const now = performance.now();
    const turn = Math.max(now, this.#next);
    this.#next = turn + this.#spacing;
    if (turn > now) await sleep(turn - now);
  }

  /** All later turns come after so many seconds. */
  pause(seconds: number): void {
    this.#next = Math.max(this.#next, performance.now() + 1000 * seconds);
  }
}
