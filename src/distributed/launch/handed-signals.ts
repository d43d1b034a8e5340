/**
 * A scheduler (scancel, a pod's end) may signal the launcher and the ranks alike, and the launcher hands its own on: a rank would
 * take the second for "at once" and lose what it is saving. So a rank hears the first; who wants it gone kills it.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const;

/** Called before anything else in the process listens to these signals. */
export function acceptHandedSignals(): void {
  let isReceived = false;
  const listener = (signal: NodeJS.Signals): void => {
    if (!isReceived && process.listenerCount(signal) === 1) {
      // Nobody else would act on it: what the signal does by itself.
      process.off(signal, listener);
      process.kill(process.pid, signal);
    }
    isReceived = true;
  };
  for (const signal of SIGNALS) process.on(signal, listener);
}
