/** Time spent in each phase of a step. */
export class PhaseClock {
  #seconds: Record<string, number> = {};
  #phase: string | undefined;
  #since = 0;
  readonly #onEnter: (phase: string | undefined) => void;

  /** @param onEnter told each phase as it begins */
  constructor(onEnter: (phase: string | undefined) => void = () => {}) {
    this.#onEnter = onEnter;
  }

  /** From now on the time counts for `phase`; undefined: for none. */
  enter(phase: string | undefined): void {
    const now = performance.now();
    if (this.#phase !== undefined)
      this.#seconds[this.#phase] = (this.#seconds[this.#phase] ?? 0) + (now - this.#since) / 1000;
    this.#phase = phase;
    this.#since = now;
    this.#onEnter(phase);
  }

  /** Seconds by phase since the last call. */
  take(): Record<string, number> {
    this.enter(this.#phase);
    const taken = this.#seconds;
    this.#seconds = {};
    return taken;
  }
}
