/** Tensors from nothing, from numbers, from random generators, and from other tensors. */
import type { DType } from './dtype.js';
import { native } from './native.js';
import { operator } from './operator.js';
import type { RandomGenerator } from './random-generator.js';
import { Tensor } from './tensor.js';

export interface TensorOptions {
  /** Default float32. */
  readonly dtype?: DType;
  /** Default cpu. */
  readonly device?: string;
}

const emptyOp = operator('aten::empty.memory_format');
const zerosOp = operator('aten::zeros');
const fullOp = operator('aten::full');
const arangeOp = operator('aten::arange.start');
const normalOp = operator('aten::normal_');
const uniformOp = operator('aten::uniform_');
const catOp = operator('aten::cat');
const stackOp = operator('aten::stack');
const whereOp = operator('aten::where.self');

/** Uninitialised memory. */
export function empty(
  shape: readonly number[],
  { dtype = 'float32', device = 'cpu' }: TensorOptions = {},
): Tensor {
  return emptyOp(shape, dtype, undefined, device);
}

export function zeros(
  shape: readonly number[],
  { dtype = 'float32', device = 'cpu' }: TensorOptions = {},
): Tensor {
  return zerosOp(shape, dtype, undefined, device);
}

export function full(
  shape: readonly number[],
  value: number,
  { dtype = 'float32', device = 'cpu' }: TensorOptions = {},
): Tensor {
  return fullOp(shape, value, dtype, undefined, device);
}

export function ones(shape: readonly number[], options: TensorOptions = {}): Tensor {
  return full(shape, 1, options);
}

/** start, start + 1, … end - 1. Default dtype int64. */
export function arange(
  start: number,
  end: number,
  { dtype = 'int64', device = 'cpu' }: TensorOptions = {},
): Tensor {
  return arangeOp(start, end, dtype, undefined, device);
}

/** Normally distributed. */
export function randn(
  shape: readonly number[],
  generator: RandomGenerator,
  { mean = 0, std = 1, ...options }: TensorOptions & { mean?: number; std?: number } = {},
): Tensor {
  return normalOp(empty(shape, options), mean, std, generator);
}

/** Uniform in [low, high). */
export function rand(
  shape: readonly number[],
  generator: RandomGenerator,
  { low = 0, high = 1, ...options }: TensorOptions & { low?: number; high?: number } = {},
): Tensor {
  return uniformOp(empty(shape, options), low, high, generator);
}

/** A float tensor from plain numbers. */
export function floatTensor(
  values: ArrayLike<number>,
  shape: readonly number[] = [values.length],
  { dtype = 'float32', device = 'cpu' }: TensorOptions = {},
): Tensor {
  const tensor =
    dtype === 'float64'
      ? new Tensor(native().fromBytes(Float64Array.from(values), shape, 'float64'))
      : new Tensor(native().fromBytes(Float32Array.from(values), shape, 'float32')).to(dtype);
  return tensor.toDevice(device);
}

/** An int64 tensor from plain integers. */
export function intTensor(
  values: ArrayLike<number>,
  shape: readonly number[] = [values.length],
  { dtype = 'int64', device = 'cpu' }: TensorOptions = {},
): Tensor {
  const bytes = new BigInt64Array(values.length);
  for (let i = 0; i < values.length; i++) bytes[i] = BigInt(values[i] ?? 0);
  return new Tensor(native().fromBytes(bytes, shape, 'int64')).to(dtype).toDevice(device);
}

/** A CPU tensor that copies `bytes`, elements of `dtype` row by row. */
export function tensorFromBytes(bytes: NodeJS.TypedArray, shape: readonly number[], dtype: DType): Tensor {
  return new Tensor(native().fromBytes(bytes, shape, dtype));
}

export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  return catOp(tensors, dim);
}

export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  return stackOp(tensors, dim);
}

/** `yes` where the condition holds, else `no`. */
export function where(condition: Tensor, yes: Tensor, no: Tensor): Tensor {
  return whereOp(condition, yes, no);
}

/** The state of a generator as a uint8 tensor. */
export function generatorState(generator: RandomGenerator): Tensor {
  return new Tensor(native().getGeneratorState(generator.handle));
}

export function restoreGenerator(generator: RandomGenerator, state: Tensor): void {
  native().setGeneratorState(generator.handle, state.handle);
}
