/** Whether the engine's process is alive, judged by its messages. */

/** A step may take so many times the longest one seen. */
const STEP_FACTOR = 5;
const CHECK_MS = 250;

export class Heartbeat {
  readonly #stallMs: number;
  readonly #timer: NodeJS.Timeout;
  #silentMs = 0;
  #longestStep = 0;
  #lastCheck = performance.now();

  /** @param stallMs silence that is too long, unless steps are known to take longer */
  constructor(stallMs: number) {
    this.#stallMs = stallMs;
    this.#timer = setInterval(() => this.#check(), Math.min(CHECK_MS, stallMs / 4));
    this.#timer.unref();
  }

  beat(longestStep = 0): void {
    this.#silentMs = 0;
    this.#longestStep = Math.max(this.#longestStep, longestStep);
  }

  get isAlive(): boolean {
    return this.#silentMs < Math.max(this.#stallMs, STEP_FACTOR * this.#longestStep);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Only time in which this process could have received something counts: after a pause of ours the messages still wait. */
  #check(): void {
    const now = performance.now();
    this.#silentMs += Math.min(now - this.#lastCheck, 2 * CHECK_MS);
    this.#lastCheck = now;
  }
}
