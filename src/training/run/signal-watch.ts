/** Ctrl-C during training: the first saves and ends, the second ends at once. */
import { log } from '../../log/index.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const;

/** Remembers the first signal, so that the state is saved at the next pause; a second one ends the process at once. */
export class SignalWatch {
  received: NodeJS.Signals | undefined;
  readonly #label: string;
  readonly #listener = (signal: NodeJS.Signals): void => {
    this.received = signal;
    this.dispose();
    log(`${this.#label}: ${signal}: saving at the next pause; once more to stop at once`);
  };

  constructor(label: string) {
    this.#label = label;
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  dispose(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
