/** Recordings of one computation at several sizes, merged into one graph whose sizes follow those of its inputs. */
import type { DType } from '../../tensor/index.js';
import { type Dimension, dimensionOf, sameDimension } from './dimension.js';
import type { RecordedTensor, RecordedValue, Recording } from './record-calls.js';

export interface TracedValue {
  readonly shape: readonly Dimension[];
  readonly dtype: DType;
  readonly origin: RecordedTensor['origin'];
}

export type TracedArgument =
  | { readonly kind: 'value'; readonly value: TracedValue }
  | { readonly kind: 'list'; readonly items: readonly TracedArgument[] }
  | { readonly kind: 'number'; readonly number: Dimension }
  | { readonly kind: 'plain'; readonly plain: string | boolean | undefined };

export interface TracedCall {
  readonly name: string;
  readonly arguments: readonly TracedArgument[];
  readonly results: readonly TracedValue[];
}

export interface TracedGraph {
  readonly calls: readonly TracedCall[];
  readonly outputs: ReadonlyMap<string, TracedValue>;
  /** Of the tensors that existed before. */
  readonly named: ReadonlyMap<string, TracedValue>;
}

/** @throws TypeError where the runs called other operators, or a number follows the sizes in no known way */
export function mergeRecordings(recordings: readonly Recording[]): TracedGraph {
  const [first] = recordings;
  if (first === undefined) throw new TypeError('a graph needs a recording');
  if (
    recordings.some(
      ({ calls, tensors }) => calls.length !== first.calls.length || tensors.length !== first.tensors.length,
    )
  )
    throw new TypeError('the number of operators follows the sizes of the inputs');
  const values = first.tensors.map(({ shape, dtype, origin }, number): TracedValue => {
    const shapes = recordings.map(({ tensors }) => tensors[number]?.shape ?? []);
    return {
      shape: shape.map((_, dim) =>
        dimension(
          shapes.map((sizes) => sizes[dim] ?? 0),
          `size ${dim} of a tensor`,
        ),
      ),
      dtype,
      origin,
    };
  });
  const traced = (number: number): TracedValue => {
    const value = values[number];
    if (value === undefined) throw new RangeError(`a recording has no tensor ${number}`);
    return value;
  };
  const calls = first.calls.map(({ name, result, values: given }, index): TracedCall => {
    const twins = recordings.map(({ calls }) => calls[index]);
    if (twins.some((twin) => twin?.name !== name))
      throw new TypeError(`${name}: another operator at other sizes of the inputs`);
    return {
      name,
      arguments: given.map((_, place) => {
        const recorded = twins.map((twin) => twin?.values[place]);
        return merged(recorded, traced, `argument ${place} of ${name}`);
      }),
      results: tensorsIn(result).map(traced),
    };
  });
  const namedValues = values.flatMap((value): [string, TracedValue][] =>
    value.origin !== undefined && 'name' in value.origin ? [[value.origin.name, value]] : [],
  );
  return {
    calls,
    outputs: new Map([...first.outputs].map(([name, number]) => [name, traced(number)])),
    named: new Map(namedValues),
  };
}

function merged(
  recorded: readonly RecordedValue[],
  traced: (number: number) => TracedValue,
  place: string,
): TracedArgument {
  const [first] = recorded;
  if (typeof first === 'number') {
    const numbers = recorded.map((value) => (typeof value === 'number' ? value : Number.NaN));
    return { kind: 'number', number: dimension(numbers, place) };
  }
  if (Array.isArray(first)) {
    const lists = recorded.map((value) => (Array.isArray(value) ? (value as readonly RecordedValue[]) : []));
    if (lists.some(({ length }) => length !== first.length))
      throw new TypeError(`${place}: a list of other length`);
    return {
      kind: 'list',
      items: first.map((_, index) =>
        merged(
          lists.map((list) => list[index]),
          traced,
          place,
        ),
      ),
    };
  }
  if (typeof first === 'object' && first !== null && 'tensor' in first)
    return { kind: 'value', value: traced(first.tensor) };
  if (typeof first === 'bigint') throw new TypeError(`${place}: integers of 64 bits are not followed`);
  if (recorded.some((value) => value !== first))
    throw new TypeError(`${place}: differs between sizes of the inputs`);
  return { kind: 'plain', plain: typeof first === 'object' ? undefined : first };
}

function dimension(values: readonly number[], place: string): Dimension {
  const found = dimensionOf(values);
  if (found === undefined)
    throw new TypeError(`${place}: ${values.join(', ')} follow the sizes of the inputs in no known way`);
  return found;
}

function tensorsIn(result: RecordedValue): number[] {
  if (Array.isArray(result)) return result.flatMap(tensorsIn);
  return typeof result === 'object' && result !== null && 'tensor' in result ? [result.tensor] : [];
}

/** Do both have the same sizes, whatever the inputs are? */
export function sameShape(a: readonly Dimension[], b: readonly Dimension[]): boolean {
  return a.length === b.length && a.every((size, dim) => sameDimension(size, b[dim]));
}
