/** What a test needs beside the repository. The end of a test run lists the reason of everything that was skipped. */
import type { TestOptions } from 'vitest';

declare module 'vitest' {
  interface TaskMeta {
    /** Read by tools/test-report.mjs. */
    skipReason?: string;
  }
}

/** Options of a test or suite that runs only where `isMet`. @param reason what is absent, and how to get it */
export function requires(isMet: boolean, reason: string): TestOptions {
  return isMet ? {} : { skip: true, meta: { skipReason: reason } };
}

/** For what `sharedData` or `sharedCases` found, or did not. */
export function requiresShared(...found: readonly (string | undefined)[]): TestOptions {
  return requires(!found.includes(undefined), '../shared is not beside this folder, or lacks it');
}

/** For what `referencePython` found, or did not. */
export function requiresPython(
  python: string | undefined,
  set: 'python' | 'trl' | 'clients' = 'python',
): TestOptions {
  return requires(
    python !== undefined,
    `no reference Python; make it with node tools/reference-python.mjs ${set}`,
  );
}

/** For what `browserPath` found, or did not. */
export function requiresBrowser(executablePath: string | undefined): TestOptions {
  return requires(
    executablePath !== undefined,
    'no browser; install chromium, or name one in XINGHE_CHROMIUM',
  );
}
