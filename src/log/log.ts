/** Messages for people, on stderr; results go to stdout and never through here. */
import { tellListeners } from './log-listeners.js';

/** Writes one line to stderr. */
export function log(message: string): void {
  tellListeners(message);
  process.stderr.write(`${message}\n`);
}
