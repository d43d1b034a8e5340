/** One run of a computation as the list of operators that it called, with tensors told apart by number. */
import { type DType, interceptCalls, Tensor } from '../../tensor/index.js';
import { standIn } from './stand-ins.js';

/** What an operator was given or gave: a tensor's number, a list, or a plain value. */
export type RecordedValue =
  | { readonly tensor: number }
  | readonly RecordedValue[]
  | number
  | bigint
  | boolean
  | string
  | null
  | undefined;

export interface RecordedCall {
  readonly name: string;
  readonly values: readonly RecordedValue[];
  readonly result: RecordedValue;
}

export interface RecordedTensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Of a tensor that no call gave: its name, or its bytes where it has none and lies in memory. */
  readonly origin: { readonly name: string } | { readonly bytes: Uint8Array } | undefined;
}

export interface Recording {
  readonly calls: readonly RecordedCall[];
  readonly tensors: readonly RecordedTensor[];
  /** Tensor number of each output of the run. */
  readonly outputs: ReadonlyMap<string, number>;
}

/**
 * Runs `body`, whose tensors may be without memory.
 * @param named tensors that exist before the run @returns what was called
 * @throws TypeError for a tensor without a name and without memory that no call gave
 */
export function recordCalls(
  named: ReadonlyMap<string, Tensor>,
  body: () => ReadonlyMap<string, Tensor>,
): Recording {
  const numbers = new Map<Tensor, number>();
  const tensors: RecordedTensor[] = [];
  const calls: RecordedCall[] = [];
  const add = (tensor: Tensor, origin: RecordedTensor['origin']): number => {
    numbers.set(tensor, tensors.length);
    return tensors.push({ shape: tensor.shape, dtype: tensor.dtype, origin }) - 1;
  };
  for (const [name, tensor] of named) add(tensor, { name });
  const known = (tensor: Tensor, name: string): number => {
    const number = numbers.get(tensor);
    if (number !== undefined) return number;
    if (tensor.device === 'meta') throw new TypeError(`${name} was given a tensor that nobody made`);
    return add(tensor, { bytes: tensor.toBytes() });
  };
  const record = (value: unknown, ofTensor: (tensor: Tensor) => number, name: string): RecordedValue => {
    if (value instanceof Tensor) return { tensor: ofTensor(value) };
    if (Array.isArray(value)) return value.map((item: unknown) => record(item, ofTensor, name));
    switch (typeof value) {
      case 'number':
      case 'bigint':
      case 'boolean':
      case 'string':
      case 'undefined':
        return value;
      default:
        if (value === null) return value;
        throw new TypeError(`${name} was given a ${typeof value} that cannot be recorded`);
    }
  };
  const outputs = interceptCalls((name, values, run) => {
    const given = values.map((value) => record(value, (tensor) => known(tensor, name), name));
    const result = standIn(name, values) ?? run();
    // One that worked in place gives a tensor that has a number: it is another value from now on.
    calls.push({ name, values: given, result: record(result, (tensor) => add(tensor, undefined), name) });
    return result;
  }, body);
  return {
    calls,
    tensors,
    outputs: new Map([...outputs].map(([name, tensor]) => [name, known(tensor, name)])),
  };
}
