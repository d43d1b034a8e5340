/** Signals that the launcher gets: the first is handed to all ranks, which save and end; a second SIGINT ends everything at once. */
import { isatty } from 'node:tty';
import { log } from '../../log/index.js';
import type { HandedSignal } from './protocol.js';

const HANDED: readonly HandedSignal[] = ['SIGINT', 'SIGTERM', 'SIGUSR1'];

export interface SignalReceiver {
  readonly onSignal: (signal: HandedSignal) => void;
  /** Everything is to end at once. */
  readonly onKill: () => void;
}

export class LauncherSignals {
  received: HandedSignal | undefined;
  #receiver: SignalReceiver | undefined;
  readonly #hasTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor));
  readonly #listener = (signal: NodeJS.Signals): void => {
    const handed = HANDED.find((name) => name === signal);
    if (handed !== undefined) this.#take(handed);
  };
  /** Of a terminal that hangs up; without one (nohup, setsid) it says nothing. */
  readonly #hangUp = (): void => {
    if (this.#hasTerminal && this.received === undefined) this.#take('SIGTERM');
  };

  constructor() {
    for (const signal of HANDED) process.on(signal, this.#listener);
    process.on('SIGHUP', this.#hangUp);
  }

  /** What came before, it gets at once. */
  set receiver(receiver: SignalReceiver) {
    this.#receiver = receiver;
    if (this.received !== undefined) receiver.onSignal(this.received);
  }

  dispose(): void {
    for (const signal of HANDED) process.off(signal, this.#listener);
    process.off('SIGHUP', this.#hangUp);
  }

  #take(signal: HandedSignal): void {
    if (this.received === undefined) {
      this.received = signal;
      log(
        `xinghe launch: ${signal}: handed to all ranks, which save and end; Ctrl-C (once more) ends them at once`,
      );
      this.#receiver?.onSignal(signal);
    } else if (signal === 'SIGINT') {
      log('xinghe launch: SIGINT again: all ranks are ended at once');
      this.#receiver?.onKill();
    } else {
      log(`xinghe launch: ${signal}: the ranks are ending already; SIGINT ends them at once`);
    }
  }
}
