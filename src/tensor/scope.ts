/**
 * Lifetimes. A tensor made inside `scope(() => …)` is freed when the scope ends, unless the body returns it (alone,
 * or inside arrays, plain objects and maps) or an owner has taken it with `keep()`. Tensors made outside every
 * scope, and kept ones, live until `dispose()`; the garbage collector frees the forgotten ones, which is the safety
 * net and never the plan.
 *
 * Private to this folder but for `scope` and `LastingScope`; knows tensors only through `Scoped`.
 */
import { native } from './native.js';

export interface Scoped {
  /** Index of the native tensor; -1 once freed. */
  handle: number;
  /** True while the current or an outer scope will free it. */
  inScope: boolean;
}

let current: Scoped[] | undefined;
let releasing = new Int32Array(256);

const forgotten = new FinalizationRegistry<number>((handle) => native().releaseOne(handle));

/** Puts a new tensor under the current scope, or under the garbage collector where there is none. */
export function adopt(tensor: Scoped): void {
  if (current === undefined) {
    tensor.inScope = false;
    forgotten.register(tensor, tensor.handle, tensor);
  } else {
    tensor.inScope = true;
    current.push(tensor);
  }
}

/** Takes a tensor out of its scope: from now on it lives until it is disposed. */
export function keep(tensor: Scoped): void {
  if (!tensor.inScope) return;
  tensor.inScope = false;
  forgotten.register(tensor, tensor.handle, tensor);
}

/** Frees a tensor now. Doing it twice does nothing. */
export function dispose(tensor: Scoped): void {
  if (tensor.handle < 0) return;
  if (!tensor.inScope) forgotten.unregister(tensor);
  native().releaseOne(tensor.handle);
  tensor.handle = -1;
}

/** Tells a tensor from everything else that a body may return; set once by tensor.ts. */
let isTensor: (value: object) => value is Scoped & object;

export function setTensorTest(test: typeof isTensor): void {
  isTensor = test;
}

function collect(value: unknown, found: Set<Scoped>): void {
  if (typeof value !== 'object' || value === null) return;
  if (isTensor(value)) found.add(value);
  else if (Array.isArray(value)) for (const element of value) collect(element, found);
  else if (value instanceof Map) for (const element of value.values()) collect(element, found);
  else if (Object.getPrototypeOf(value) === Object.prototype)
    for (const element of Object.values(value)) collect(element, found);
}

/**
 * Runs `body` and frees every tensor made in it except what it returns, which passes to the scope around.
 * The body must be synchronous: a scope that is left and entered again would free its neighbour's tensors.
 */
export function scope<Result>(body: () => Result): Result {
  const outer = current;
  const made: Scoped[] = [];
  current = made;
  let returned: Set<Scoped> | undefined;
  try {
    const result = body();
    if (result instanceof Promise)
      throw new TypeError('scope(): the body must be synchronous, got a promise');
    returned = new Set();
    collect(result, returned);
    return result;
  } finally {
    current = outer;
    let count = 0;
    if (releasing.length < made.length) releasing = new Int32Array(2 * made.length);
    for (const tensor of made) {
      if (tensor.handle < 0 || !tensor.inScope) continue;
      if (returned?.has(tensor) === true) adopt(tensor);
      else {
        releasing[count++] = tensor.handle;
        tensor.handle = -1;
      }
    }
    if (count > 0) native().release(releasing, count);
  }
}

/** A scope that is left and entered again, for work that takes turns with other work. It ends when it is disposed. */
export class LastingScope {
  readonly #made: Scoped[] = [];

  /** Tensors made in `body` live on behind it. */
  run<Result>(body: () => Result): Result {
    const outer = current;
    current = this.#made;
    try {
      return body();
    } finally {
      current = outer;
    }
  }

  dispose(): void {
    for (const tensor of this.#made.splice(0)) if (tensor.inScope) dispose(tensor);
  }
}

/** Number of native tensors alive in this thread; a loop that does not leak leaves it unchanged. */
export function liveTensorCount(): number {
  return native().liveCount();
}
