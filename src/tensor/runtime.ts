/** How libtorch and the addon were built, and process-wide settings. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors/index.js';
import { chooseLinearRoute } from './linear-route.js';
import { native, whenLoaded } from './native.js';

export interface NativeBuild {
  /** The folder that holds lib/ and include/ of libtorch. */
  readonly libtorch: { readonly path: string; readonly version: string; readonly origin: string };
  readonly compiler: { readonly version: string };
  readonly platform: string;
  readonly builtAt: string;
}

/** What the set-up wrote down when it built the addon; undefined where it was built in another way. */
export function nativeBuild(): NativeBuild | undefined {
  try {
    return JSON.parse(
      readFileSync(fileURLToPath(new URL('../../build/build.json', import.meta.url)), 'utf8'),
    );
  } catch {
    return undefined;
  }
}

/** The libtorch that the addon was compiled against, such as "2.13.0". */
export function torchVersion(): string {
  return native().torchVersion();
}

export interface RuntimeOptions {
  /** Threads of one operator on the CPU. Default: OMP_NUM_THREADS, else one for each core. */
  readonly threads?: number;
}

/**
 * Settings for this process. Costs nothing by itself: they take effect when the engine is first used, which is when
 * the route of float32 matrices is chosen too.
 * @throws InputError if the number of threads is not a positive integer
 */
export function prepareRuntime({ threads }: RuntimeOptions = {}): void {
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1 || threads > 4096))
    throw new InputError(`threads: ${threads} is not a whole number from 1 to 4096`);
  whenLoaded(() => {
    if (threads !== undefined) native().setThreads(threads);
    chooseLinearRoute();
  });
}
