/** Third-party data that lies beside the repository and is never copied into it; tests skip without it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder or file `path` in ../shared/data; undefined where it is absent. */
export function sharedData(path: string): string | undefined {
  const found = fileURLToPath(new URL(`../../../shared/data/${path}`, import.meta.url));
  return existsSync(found) ? found : undefined;
}
