import { InterruptedError } from '../../errors/index.js';

/** Remembers the first signal, so that the work ends where it can clean up; a second one ends the process at once. */
export class Interruption {
  #received: NodeJS.Signals | undefined;
  readonly #listener = (signal: NodeJS.Signals): void => {
    this.#received = signal;
    this.dispose();
  };

  constructor() {
    process.on('SIGINT', this.#listener);
    process.on('SIGTERM', this.#listener);
  }

  /** @throws InterruptedError after a signal */
  check(): void {
    if (this.#received !== undefined)
      throw new InterruptedError(`preparation of data: stopped by ${this.#received}; nothing was written`);
  }

  dispose(): void {
    process.off('SIGINT', this.#listener);
    process.off('SIGTERM', this.#listener);
  }
}
