/** Inputs that once failed, with their right values; they lie beside the repository and are never copied into it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder ../shared/cases/`path`; undefined, with a printed reason, where it is absent. */
export function sharedCases(path: string): string | undefined {
  const found = fileURLToPath(new URL(`../../../shared/cases/${path}`, import.meta.url));
  if (existsSync(found)) return found;
  console.warn(`skipped: ../shared/cases/${path} is not there`);
  return undefined;
}
