/** Measures memory bandwidth and matrix-multiplication speed. */
import { noGrad } from './autograd.js';
import { full } from './create.js';
import { hasBfloat16Tiles } from './devices.js';
import type { FloatDType } from './dtype.js';
import { native } from './native.js';
import { operator } from './operator.js';
import { scope } from './scope.js';

const linear = operator('xinghe::linear');

/** The least time of `body` in seconds over repetitions that fill `budget` seconds; at least one after a first run. */
export function bestTime(body: () => void, budget: number): number {
  body();
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + budget * 1000;
  do {
    const start = performance.now();
    body();
    best = Math.min(best, (performance.now() - start) / 1000);
  } while (performance.now() < end);
  return best;
}

/**
 * Gigabytes (10^9) a second at which all threads read memory: the best of several sums over float32 values that no
 * cache holds (512 MB by default). One generation step of a model reads all its weights once at no more than this.
 */
export function measureReadBandwidth(bytes = 512e6): number {
  return scope(() => {
    const values = full([bytes / 4], 1);
    return bytes / bestTime(() => scope(() => void values.sum().item()), 0.3) / 1e9;
  });
}

/** Gigabytes (10^9) a second of a copy from memory to memory, bytes read and bytes written together; 256 MB by default. */
export function measureCopyBandwidth(bytes = 256e6): number {
  return scope(() => {
    const source = full([bytes / 4], 1);
    const target = full([bytes / 4], 0);
    return (2 * bytes) / bestTime(() => void target.copy_(source), 0.3) / 1e9;
  });
}

/**
 * GFLOP/s of y = x W^T with x and W of [1024, 1024], the best of several runs.
 * @param library for float32 on the CPU; default the one that was chosen for this machine
 */
export function measureGemm(dtype: FloatDType, library?: 'blas' | 'onednn'): number {
  const size = 1024;
  const routes = native().linearRoutes();
  if (library !== undefined) native().setLinearRoutes(library === 'onednn', routes[1], routes[2]);
  try {
    return noGrad(() =>
      scope(() => {
        const x = full([size, size], 0.5, { dtype });
        const seconds = bestTime(() => scope(() => void linear(x, x)), 0.2);
        return (2 * size ** 3) / seconds / 1e9;
      }),
    );
  } finally {
    native().setLinearRoutes(...routes);
  }
}

/**
 * GFLOP/s of multiply-adds that touch registers only, on all threads, a multiply-add being two operations: the limit above
 * every product. @returns undefined where the processor has no such instructions, or has tiles for them (AMX), whose limit is
 * not measured
 */
export function measureRegisterPeak(dtype: 'float32' | 'bfloat16'): number | undefined {
  if (dtype === 'bfloat16' && hasBfloat16Tiles()) return undefined;
  const peak = native().registerPeak(dtype === 'bfloat16');
  return peak === 0 ? undefined : peak;
}
