/** Bodies of requests that once held up a server, in ../shared/cases/serving; tests skip without them. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface ServingCase {
  readonly structured_outputs?: { readonly regex: string };
  readonly response_format?: { readonly json_schema: { readonly schema: unknown } };
}

/** Undefined, with a printed reason, where it is absent. */
export function servingCase(name: string): ServingCase | undefined {
  const path = fileURLToPath(new URL(`../../../shared/cases/serving/${name}`, import.meta.url));
  // Written by us, in this form.
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as ServingCase;
  console.warn(`skipped: ../shared/cases/serving/${name} is not there`);
  return undefined;
}
