/** The browser of the tests of the chat page. */
import { existsSync } from 'node:fs';

/** XINGHE_CHROMIUM, or where systems put it; undefined, the reason printed, where there is none. */
export function browserPath(): string | undefined {
  const candidates = [process.env.XINGHE_CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'];
  const found = candidates.find((path) => path !== '' && existsSync(path));
  if (found === undefined)
    console.warn('skipped: no browser; install chromium, or name one in XINGHE_CHROMIUM');
  return found;
}
