/** The browser of the tests of pages. */
import { existsSync } from 'node:fs';

/** XINGHE_CHROMIUM, or where systems put it; undefined where there is none. */
export function browserPath(): string | undefined {
  const candidates = [process.env.XINGHE_CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/google-chrome'];
  return candidates.find((path) => path !== '' && existsSync(path));
}
