/** When an engine that died is restarted, and when the server gives up. */
export interface RestartOptions {
  /** Wait before the first restart; twice as long before each further one in a row. Default 500. */
  readonly firstDelayMs?: number | undefined;
  /** Default 30 000. */
  readonly maxDelayMs?: number | undefined;
  /** An engine that was ready for less long died quickly. Default 60 000. */
  readonly quickDeathMs?: number | undefined;
  /** So many quick deaths in a row are the end of it. Default 5. */
  readonly maxQuickDeaths?: number | undefined;
}

export class RestartPolicy {
  readonly #options: Required<{ [Name in keyof RestartOptions]: number }>;
  #quickDeaths = 0;

  constructor({
    firstDelayMs = 500,
    maxDelayMs = 30_000,
    quickDeathMs = 60_000,
    maxQuickDeaths = 5,
  }: RestartOptions = {}) {
    this.#options = { firstDelayMs, maxDelayMs, quickDeathMs, maxQuickDeaths };
  }

  /**
   * @param readyMs how long the engine was ready; 0 if it never was
   * @returns milliseconds to wait before the next one; undefined: give up
   */
  died(readyMs: number): number | undefined {
    const { firstDelayMs, maxDelayMs, quickDeathMs, maxQuickDeaths } = this.#options;
    this.#quickDeaths = readyMs < quickDeathMs ? this.#quickDeaths + 1 : 1;
    if (this.#quickDeaths >= maxQuickDeaths) return undefined;
    return Math.min(maxDelayMs, firstDelayMs * 2 ** (this.#quickDeaths - 1));
  }
}
