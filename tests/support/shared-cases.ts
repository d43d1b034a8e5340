/** Inputs that once failed, with their right values; they lie beside the repository and are never copied into it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder ../shared/cases/`path`; undefined where it is absent (`requiresShared`). */
export function sharedCases(path: string): string | undefined {
  const found = fileURLToPath(new URL(`../../../shared/cases/${path}`, import.meta.url));
  return existsSync(found) ? found : undefined;
}
