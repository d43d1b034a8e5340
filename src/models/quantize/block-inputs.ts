/** What goes into the modules of a block while windows of a text run through it. */
import type { Module } from '../../nn/index.js';
import { cat, noGrad, operator, scope, type Tensor } from '../../tensor/index.js';
import { moduleAt } from './block-weights.js';
import type { SavedRows } from './saved-rows.js';

const slice = operator('aten::slice.Tensor');

/** Told of each input; `counts`: rows of each expert, where a module is one of experts. */
export type Seen = (x: Tensor, counts: Tensor | undefined) => void;

/** Ends a pass where nothing more is wanted of it. */
class PassEnded extends Error {}

/**
 * Runs `body` while modules tell what they are given.
 * @param endsAt a path behind which nothing is to be computed; undefined: the pass goes to its end
 * @returns undefined where the pass was ended
 */
export function watchInputs<Result>(
  block: Module,
  seen: ReadonlyMap<string, Seen>,
  body: () => Result,
  endsAt?: string,
): Result | undefined {
  const watched = [...seen].map(([path, tell]) => {
    const module = moduleAt(block, path);
    const forward: unknown = Reflect.get(module, 'forward');
    if (typeof forward !== 'function') throw new TypeError(`${path} computes nothing`);
    // A field of the object stands before the method of its class, until it is deleted.
    Reflect.defineProperty(module, 'forward', {
      configurable: true,
      value(x: Tensor, counts?: Tensor): unknown {
        tell(x, counts);
        if (path === endsAt) throw new PassEnded();
        return Reflect.apply(forward, module, [x, counts]);
      },
    });
    return module;
  });
  try {
    return body();
  } catch (error) {
    if (error instanceof PassEnded) return undefined;
    throw error;
  } finally {
    for (const module of watched) Reflect.deleteProperty(module, 'forward');
  }
}

/** Rows of an input, [N, I] in float32. */
export function rowsOf(x: Tensor): Tensor {
  return x
    .detach()
    .reshape([-1, x.size(-1)])
    .to('float32');
}

/** Sums over all rows of an input. */
export class InputSums {
  /** Sum of x x^T. [I, I] */
  gram: Tensor | undefined;
  /** Sum of x' x^T, where x' was given. [I, I] */
  cross: Tensor | undefined;
  /** Sum of |x|. [I] */
  magnitude: Tensor | undefined;
  rows = 0;

  /** @param x [N, I] @param full [N, I]: the same rows in the full model */
  add(x: Tensor, full?: Tensor): void {
    if (x.size(0) === 0) return;
    this.rows += x.size(0);
    noGrad(() =>
      scope(() => {
        const turned = x.transpose(0, 1);
        this.gram = summed(this.gram, turned.matmul(x));
        this.magnitude = summed(this.magnitude, x.abs().sum([0]));
        if (full !== undefined) this.cross = summed(this.cross, full.transpose(0, 1).matmul(x));
      }),
    );
  }

  dispose(): void {
    for (const tensor of [this.gram, this.cross, this.magnitude]) tensor?.dispose();
  }
}

function summed(sum: Tensor | undefined, more: Tensor): Tensor {
  if (sum === undefined) return more.keep();
  sum.add_(more);
  return sum;
}

/** Rows of each expert. @param x [N, I], sorted by expert @param counts int64 [G] */
export function rowsByExpert(x: Tensor, counts: Tensor): Tensor[] {
  let start = 0;
  return counts.toArray().map((count) => {
    const rows = x.narrow(0, start, count);
    start += count;
    return rows;
  });
}

/** About so many rows, evenly from all: every n-th of the windows one behind the other. */
export function someRows(windows: SavedRows, most: number): Tensor {
  return scope(() => {
    const counts: number[] = [];
    windows.forEach((rows) => {
      counts.push(rows.size(0));
    });
    const every = Math.max(1, Math.floor(counts.reduce((sum, count) => sum + count, 0) / most));
    let passed = 0;
    const parts = counts.flatMap((count, place) => {
      const first = (every - (passed % every)) % every;
      passed += count;
      return first < count
        ? [scope(() => slice(windows.read(place), 0, first, null, every).contiguous())]
        : [];
    });
    return cat(parts).contiguous();
  });
}
