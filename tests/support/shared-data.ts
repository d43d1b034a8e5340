/** Third-party data that lies beside the repository and is never copied into it; tests skip without it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder or file `path` in ../shared/data; undefined, with a printed reason, where it is absent. */
export function sharedData(path: string): string | undefined {
  const found = fileURLToPath(new URL(`../../../shared/data/${path}`, import.meta.url));
  if (existsSync(found)) return found;
  console.warn(`skipped: ../shared/data/${path} is not there`);
  return undefined;
}
