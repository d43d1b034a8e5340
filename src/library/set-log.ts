/** Where messages for people go. */
import { redirectStderr } from '../log/index.js';

/**
 * Messages and progress go to stderr by default; not those of other processes that we start, which come through here.
 * @param write takes each text, its line end included, and must not throw; null: nobody hears them; undefined: stderr again
 */
export function setLog(write: ((text: string) => void) | null | undefined): void {
  redirectStderr(write === null ? () => undefined : write);
}
