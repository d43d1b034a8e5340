/** Messages for people, on stderr; results go to stdout and never through here. */
import { tellListeners } from './log-listeners.js';
import { writeStderr } from './stderr.js';

/** Writes one line to stderr. */
export function log(message: string): void {
  tellListeners(message);
  writeStderr(`${message}\n`);
}
