/**
 * Which library multiplies the float32 matrices of `xinghe::linear` on the CPU: the BLAS of libtorch (MKL, OpenBLAS)
 * or oneDNN. Neither is always faster (MKL leaves half of the speed of a processor that is not Intel's with AVX-512),
 * so a short measurement decides, for each of the three products of a linear layer by itself, and the cache folder
 * keeps the answer.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { cpus, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../errors/index.js';
import { writeFileAtomic } from '../formats/index.js';
import { enableGrad, grad, noGrad } from './autograd.js';
import { full } from './create.js';
import { native } from './native.js';
import { operator } from './operator.js';
import { scope } from './scope.js';

/** For each product: true where oneDNN computes it. */
export interface LinearRoute {
  readonly forward: boolean;
  readonly gradInput: boolean;
  readonly gradWeight: boolean;
}

const linear = operator('xinghe::linear');

/**
 * Chooses the route and sets it for this process: as XINGHE_LINEAR says (`blas` or `onednn`, for results that must
 * not depend on a measurement), else as the cache folder says for this processor, number of threads and libtorch,
 * else by measuring (60 ms; up to 400 ms on a busy machine).
 * @throws InputError if XINGHE_LINEAR has another value
 */
export function chooseLinearRoute(): LinearRoute {
  const route = askedRoute() ?? cachedRoute();
  native().setLinearRoutes(route.forward, route.gradInput, route.gradWeight);
  return route;
}

/** Sets the route of this process, as it was saved with numbers that must come out again. */
export function setLinearRoute({ forward, gradInput, gradWeight }: LinearRoute): void {
  native().setLinearRoutes(forward, gradInput, gradWeight);
}

/** The route in force. */
export function linearRoute(): LinearRoute {
  const [forward, gradInput, gradWeight] = native().linearRoutes();
  return { forward, gradInput, gradWeight };
}

function askedRoute(): LinearRoute | undefined {
  const asked = process.env.XINGHE_LINEAR ?? '';
  if (asked === '') return undefined;
  if (asked !== 'blas' && asked !== 'onednn')
    throw new InputError(`XINGHE_LINEAR is "${asked}"; it may be blas, onednn or unset`);
  const onednn = asked === 'onednn';
  return { forward: onednn, gradInput: onednn, gradWeight: onednn };
}

function cachedRoute(): LinearRoute {
  const file = join(cacheFolder(), 'linear-routes.json');
  const key = [
    cpus()[0]?.model.trim() ?? process.arch,
    native().cpuCapability(),
    `${native().getThreads()} threads`,
    `libtorch ${native().torchVersion()}`,
  ].join(', ');
  const known = readRoutes(file);
  const found = known[key];
  if (found !== undefined) return found;
  const measured = measureRoute();
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileAtomic(file, `${JSON.stringify({ ...known, [key]: measured }, null, 2)}\n`);
  } catch {
    // A cache that cannot be written costs the next run the measurement again, and nothing else.
  }
  return measured;
}

function cacheFolder(): string {
  const named = process.env.XINGHE_CACHE ?? '';
  if (named !== '') return named;
  const shared = process.env.XDG_CACHE_HOME ?? '';
  return join(shared === '' ? join(homedir(), '.cache') : shared, 'xinghe');
}

/** The entries of the file that have the right form; none if it is absent or broken. */
function readRoutes(file: string): Record<string, LinearRoute> {
  if (!existsSync(file)) return {};
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof content !== 'object' || content === null) return {};
    return Object.fromEntries(
      Object.entries(content).filter((entry): entry is [string, LinearRoute] => isRoute(entry[1])),
    );
  } catch {
    return {};
  }
}

function isRoute(value: unknown): value is LinearRoute {
  if (typeof value !== 'object' || value === null) return false;
  return (['forward', 'gradInput', 'gradWeight'] as const).every(
    (product) => typeof Reflect.get(value, product) === 'boolean',
  );
}

// Enough on a quiet machine. On a busy one the probe goes on until the times repeat, or to the longer limit.
const quietMilliseconds = 60;
const busyMilliseconds = 400;
// What oneDNN must gain to be taken, and by how much the two best times of a product may differ to be believed.
const noise = 1.03;

/** The two least times that one library took for one product, in milliseconds. */
class Best {
  first = Number.POSITIVE_INFINITY;
  second = Number.POSITIVE_INFINITY;

  add(time: number): void {
    this.second = Math.min(this.second, Math.max(time, this.first));
    this.first = Math.min(this.first, time);
  }

  get isSettled(): boolean {
    return this.second < noise * this.first;
  }
}

/** Times each product with each library in turns, so that a disturbance hits both. */
function measureRoute(): LinearRoute {
  return scope(() => {
    const contests = probeProducts().map((run) => ({ run, blas: new Best(), onednn: new Best() }));
    const start = performance.now();
    const isDone = (): boolean => {
      const elapsed = performance.now() - start;
      const isSettled = contests.every(({ blas, onednn }) => blas.isSettled && onednn.isSettled);
      return elapsed > busyMilliseconds || (elapsed > quietMilliseconds && isSettled);
    };
    do
      for (const { run, blas, onednn } of contests) {
        native().setLinearRoutes(false, false, false);
        blas.add(timeOf(run));
        native().setLinearRoutes(true, true, true);
        onednn.add(timeOf(run));
      }
    while (!isDone());
    const [forward = false, gradInput = false, gradWeight = false] = contests.map(
      ({ blas, onednn }) => blas.first > noise * onednn.first,
    );
    return { forward, gradInput, gradWeight };
  });
}

/** The three products of a layer of 512 features on 256 rows: forward, input gradient, weight gradient. */
function probeProducts(): (() => unknown)[] {
  const x = full([256, 512], 0.5).setRequiresGrad(true);
  const weight = full([512, 512], 0.5).setRequiresGrad(true);
  const output = enableGrad(() => linear(x, weight));
  const gradOutputs = [full([256, 512], 0.5)];
  return [
    () => noGrad(() => linear(x, weight)),
    () => grad([output], [x], { gradOutputs, retainGraph: true }),
    () => grad([output], [weight], { gradOutputs, retainGraph: true }),
  ];
}

/** Milliseconds. */
function timeOf(run: () => unknown): number {
  const start = performance.now();
  scope(() => void run());
  return performance.now() - start;
}
