/** Who hears what is logged beside stderr: the log file of a run. */

const listeners = new Set<(message: string) => void>();

/** @returns what ends it. A listener must not throw. */
export function listenToLog(listener: (message: string) => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

export function tellListeners(message: string): void {
  for (const listener of listeners) listener(message);
}
