/**
 * `operator`: every operator of libtorch by its schema name, and what may stand between a caller and all of them.
 *
 * A whole number given as a scalar is an integer scalar, as in Python; `1.5` is a float.
 */
import type { Operators } from './generated/operators.js';
import { type NativeValue, native } from './native.js';
import { RandomGenerator } from './random-generator.js';
import type { Tensor } from './tensor.js';

/** What calls make of handles and arguments. */
export interface TensorKind {
  make(handle: number): Tensor;
  is(value: unknown): value is Tensor;
  /** An operator in place may have changed the shape. */
  forgetShape(tensor: Tensor): void;
}

/** Set once by tensor.ts, whose methods are made of the operators here. */
let tensors: TensorKind;

export function setTensorKind(kind: TensorKind): void {
  tensors = kind;
}

type Argument = Tensor | RandomGenerator | NativeValue | readonly Argument[];

function toNative(value: Argument): NativeValue {
  if (typeof value !== 'object' || value === null) return value;
  if (tensors.is(value) || value instanceof RandomGenerator) return value.handle;
  return isNumbers(value) ? value : value.map(toNative);
}

/** Lists are of one kind, and a list that begins with a number is the one that needs no conversion. */
function isNumbers(list: readonly Argument[]): list is readonly number[] {
  return typeof list[0] === 'number';
}

/**
 * An operator of libtorch by its schema name, e.g. `operator('aten::add.Tensor')`. Resolved at the first call, so
 * that it may stand at the top of a module. Throws libtorch's own message when it refuses the arguments.
 */
export function operator<Name extends keyof Operators>(name: Name): Operators[Name] {
  let id = -1;
  let returned = -1;
  let results = '';
  const resolve = (): void => {
    const [base, overload] = name.split('.');
    const resolved = native().resolveOperator(base ?? name, overload ?? '');
    ({ id, returned, results } = resolved);
  };
  const call = (values: readonly Argument[]): unknown => {
    if (id < 0) resolve();
    let result: NativeValue;
    switch (values.length) {
      case 1:
        result = native().call(id, toNative(values[0]));
        break;
      case 2:
        result = native().call(id, toNative(values[0]), toNative(values[1]));
        break;
      case 3:
        result = native().call(id, toNative(values[0]), toNative(values[1]), toNative(values[2]));
        break;
      default:
        result = native().call(id, ...values.map(toNative));
    }
    if (results === 'T' && returned < 0 && typeof result === 'number') return tensors.make(result);
    if (returned < 0) return wrapResults(results, result);
    const target = values[returned];
    if (tensors.is(target)) tensors.forgetShape(target);
    return target;
  };
  const invoke = (...values: Argument[]): unknown =>
    interceptor === undefined ? call(values) : intercepted(interceptor, name, values, () => call(values));
  // The one place where the schema's types meet the untyped bridge: `Operators` is generated from the same schemas
  // that the bridge converts by.
  return invoke as Operators[Name];
}

/** Stands in the place of every operator: may `run` it, and gives what the caller gets. */
export type CallInterceptor = (name: string, values: readonly unknown[], run: () => unknown) => unknown;

let interceptor: CallInterceptor | undefined;

/**
 * Runs `body` with `intercept` in the place of the operators that it calls, through whatever function; for who records a graph.
 * Operators that `intercept` calls itself are plain.
 */
export function interceptCalls<Result>(intercept: CallInterceptor, body: () => Result): Result {
  const outer = interceptor;
  interceptor = intercept;
  try {
    return body();
  } finally {
    interceptor = outer;
  }
}

function intercepted(
  intercept: CallInterceptor,
  name: string,
  values: readonly unknown[],
  run: () => unknown,
): unknown {
  interceptor = undefined;
  try {
    return intercept(name, values, run);
  } finally {
    interceptor = intercept;
  }
}

function wrapResults(results: string, value: NativeValue): unknown {
  if (results.length > 1 && Array.isArray(value))
    return value.map((item: NativeValue, index) => wrapResult(results[index], item));
  return wrapResult(results, value);
}

function wrapResult(kind: string | undefined, value: NativeValue): unknown {
  if (kind === 'T') return typeof value === 'number' ? tensors.make(value) : null;
  if (kind === 'L' && Array.isArray(value)) return value.map((item: NativeValue) => wrapResult('T', item));
  return value;
}
