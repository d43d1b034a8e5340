/** Ctrl-C during training: the first saves and ends, the second ends at once. */
import { isatty } from 'node:tty';
import { log } from '../../log/index.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const;

/** Was the process started at a terminal that may hang up? Asked early: a terminal that is gone is none. */
const HAS_TERMINAL = [0, 1, 2].some((descriptor) => isatty(descriptor));

/**
 * Remembers the first signal, so that the state is saved at the next pause; a second one ends the process at once. The
 * hang-up of a terminal counts as SIGTERM, and may come more than once: from the kernel and from the shell.
 */
export class SignalWatch {
  received: NodeJS.Signals | undefined;
  readonly #label: string;
  readonly #listener = (signal: NodeJS.Signals): void => {
    this.received = signal;
    for (const other of SIGNALS) process.off(other, this.#listener);
    log(`${this.#label}: ${signal}: saving at the next pause; once more to stop at once`);
  };
  readonly #hangUp = (): void => {
    if (this.received === undefined) this.#listener('SIGHUP');
  };

  constructor(label: string) {
    this.#label = label;
    for (const signal of SIGNALS) process.on(signal, this.#listener);
    if (HAS_TERMINAL) process.on('SIGHUP', this.#hangUp);
  }

  dispose(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
    process.off('SIGHUP', this.#hangUp);
  }
}

/**
 * Without a terminal a hang-up says nothing to this run, as nohup and setsid mean it; Node resets the ignore that they set,
 * so it is taken here. Does nothing at a terminal.
 * @returns ends it
 */
export function outliveHangUp(): () => void {
  if (HAS_TERMINAL) return () => {};
  let isSaid = false;
  const listener = (): void => {
    if (!isSaid) log('SIGHUP: no terminal is attached, the run goes on (SIGTERM ends it, saving)');
    isSaid = true;
  };
  process.on('SIGHUP', listener);
  return () => process.off('SIGHUP', listener);
}
