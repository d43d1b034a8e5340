/** The version of Xinghe, kept in one place: package.json. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** E.g. "0.1.0". */
export function productVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8'))).version;
}
