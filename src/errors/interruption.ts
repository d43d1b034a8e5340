/** The user (or a signal) ended the work. Exit code 130. */
export class InterruptedError extends Error {
  /** Tells it apart where classes cannot. */
  override readonly name = 'InterruptedError';
  /** All work is saved and can be taken up again: to a scheduler that asked for the end (SIGTERM) this is success. */
  readonly isHandedOver: boolean;

  constructor(message: string, { isHandedOver = false }: { readonly isHandedOver?: boolean } = {}) {
    super(message);
    this.isHandedOver = isHandedOver;
  }
}

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

  /** @param message what to say of the signal @throws InterruptedError after a signal */
  check(message: (signal: NodeJS.Signals) => string): void {
    if (this.#received !== undefined) throw new InterruptedError(message(this.#received));
  }

  dispose(): void {
    process.off('SIGINT', this.#listener);
    process.off('SIGTERM', this.#listener);
  }
}
