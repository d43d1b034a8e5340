/**
 * `Tensor`: PyTorch's tensor with PyTorch's method names in camelCase, and `operator`, which reaches every operator
 * of libtorch by its schema name. Semantics (broadcasting, dtype promotion, views) are libtorch's own.
 *
 * A whole number given as a scalar is an integer scalar, as in Python; `1.5` is a float.
 */
import { byteWidth, type DType, isDType } from './dtype.js';
import type { Operators } from './generated/operators.js';
import { type NativeValue, native } from './native.js';
import { RandomGenerator } from './random-generator.js';
import { adopt, dispose, keep, type Scoped, setTensorTest } from './scope.js';

type Argument = Tensor | RandomGenerator | NativeValue | readonly Argument[];

function toNative(value: Argument): NativeValue {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Tensor || value instanceof RandomGenerator) return value.handle;
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
    if (results === 'T' && returned < 0 && typeof result === 'number') return new Tensor(result);
    if (returned < 0) return wrapResults(results, result);
    const target = values[returned];
    if (target instanceof Tensor) forgetShape(target);
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
  if (kind === 'T') return typeof value === 'number' ? new Tensor(value) : null;
  if (kind === 'L' && Array.isArray(value)) return value.map((item: NativeValue) => wrapResult('T', item));
  return value;
}

const ops = {
  add: operator('aten::add.Tensor'),
  addScalar: operator('aten::add.Scalar'),
  sub: operator('aten::sub.Tensor'),
  subScalar: operator('aten::sub.Scalar'),
  mul: operator('aten::mul.Tensor'),
  mulScalar: operator('aten::mul.Scalar'),
  div: operator('aten::div.Tensor'),
  divScalar: operator('aten::div.Scalar'),
  addInPlace: operator('aten::add_.Tensor'),
  addScalarInPlace: operator('aten::add_.Scalar'),
  mulInPlace: operator('aten::mul_.Tensor'),
  mulScalarInPlace: operator('aten::mul_.Scalar'),
  copy: operator('aten::copy_'),
  zero: operator('aten::zero_'),
  fill: operator('aten::fill_.Scalar'),
  neg: operator('aten::neg'),
  abs: operator('aten::abs'),
  exp: operator('aten::exp'),
  log: operator('aten::log'),
  sqrt: operator('aten::sqrt'),
  rsqrt: operator('aten::rsqrt'),
  sin: operator('aten::sin'),
  cos: operator('aten::cos'),
  tanh: operator('aten::tanh'),
  sigmoid: operator('aten::sigmoid'),
  silu: operator('aten::silu'),
  gelu: operator('aten::gelu'),
  pow: operator('aten::pow.Tensor_Scalar'),
  softmax: operator('aten::softmax.int'),
  logSoftmax: operator('aten::log_softmax.int'),
  matmul: operator('aten::matmul'),
  transpose: operator('aten::transpose.int'),
  permute: operator('aten::permute'),
  reshape: operator('aten::reshape'),
  view: operator('aten::view'),
  contiguous: operator('aten::contiguous'),
  expand: operator('aten::expand'),
  unsqueeze: operator('aten::unsqueeze'),
  squeeze: operator('aten::squeeze.dim'),
  narrow: operator('aten::narrow'),
  select: operator('aten::select.int'),
  chunk: operator('aten::chunk'),
  split: operator('aten::split_with_sizes'),
  indexSelect: operator('aten::index_select'),
  indexCopy: operator('aten::index_copy_'),
  gather: operator('aten::gather'),
  maskedFill: operator('aten::masked_fill.Scalar'),
  sum: operator('aten::sum'),
  sumDims: operator('aten::sum.dim_IntList'),
  mean: operator('aten::mean'),
  meanDims: operator('aten::mean.dim'),
  max: operator('aten::max'),
  min: operator('aten::min'),
  argmax: operator('aten::argmax'),
  norm: operator('aten::linalg_vector_norm'),
  isfinite: operator('aten::isfinite'),
  all: operator('aten::all'),
  equal: operator('aten::equal'),
  eq: operator('aten::eq.Scalar'),
  ne: operator('aten::ne.Scalar'),
  lt: operator('aten::lt.Tensor'),
  le: operator('aten::le.Tensor'),
  gt: operator('aten::gt.Tensor'),
  ge: operator('aten::ge.Tensor'),
  logicalAnd: operator('aten::logical_and'),
  logicalOr: operator('aten::logical_or'),
  logicalNot: operator('aten::logical_not'),
  toDtype: operator('aten::to.dtype'),
  toDevice: operator('aten::to.device'),
  clone: operator('aten::clone'),
  detach: operator('aten::detach'),
  item: operator('aten::item'),
};

/** An operator in place may have changed the shape. */
let forgetShape: (tensor: Tensor) => void;

export class Tensor implements Scoped {
  static {
    forgetShape = (tensor) => {
      tensor.#shape = undefined;
    };
  }

  handle: number;
  inScope = false;
  #shape: readonly number[] | undefined;
  #dtype: DType | undefined;

  /** Takes over a native handle. For this folder only. */
  constructor(handle: number) {
    this.handle = handle;
    adopt(this);
  }

  // Metadata ---------------------------------------------------------------------------------------------------

  get shape(): readonly number[] {
    this.#shape ??= native().shape(this.handle);
    return this.#shape;
  }

  /** Size of one dimension; negative counts from the end. */
  size(dim: number): number {
    const size = this.shape.at(dim);
    if (size === undefined)
      throw new RangeError(`size(${dim}) of a tensor of shape [${this.shape.join(', ')}]`);
    return size;
  }

  get numDims(): number {
    return this.shape.length;
  }

  get numElements(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  get numBytes(): number {
    return this.numElements * byteWidth(this.dtype);
  }

  /** Elements between neighbours along each dimension. */
  get strides(): readonly number[] {
    return native().strides(this.handle);
  }

  get dtype(): DType {
    if (this.#dtype === undefined) {
      const name = native().dtype(this.handle);
      if (!isDType(name)) throw new TypeError(`unknown dtype ${name}`);
      this.#dtype = name;
    }
    return this.#dtype;
  }

  /** "cpu", "cuda:0", … */
  get device(): string {
    return native().device(this.handle);
  }

  /** Address of the first byte of the storage: equal for views of one storage. */
  get storageAddress(): number {
    return native().storageAddress(this.handle);
  }

  /**
   * New memory of this size behind all tensors that share the storage; what it held is lost. After 0 bytes none of them
   * may be read until it is resized again.
   */
  resizeStorage(bytes: number): void {
    native().resizeStorage(this.handle, bytes);
  }

  get isDisposed(): boolean {
    return this.handle < 0;
  }

  /** Takes the tensor out of its scope: it lives until `dispose()`. For models and caches, which own tensors. */
  keep(): this {
    keep(this);
    return this;
  }

  /** Frees the tensor now. */
  dispose(): void {
    dispose(this);
  }

  // Gradients --------------------------------------------------------------------------------------------------

  get requiresGrad(): boolean {
    return native().requiresGrad(this.handle);
  }

  setRequiresGrad(requires: boolean): this {
    native().setRequiresGrad(this.handle, requires);
    return this;
  }

  /** The gradient gathered by `backward()`; a new tensor object at each call. */
  get grad(): Tensor | null {
    const handle = native().getGrad(this.handle);
    return handle === null ? null : new Tensor(handle);
  }

  set grad(gradient: Tensor | null) {
    native().setGrad(this.handle, gradient === null ? null : gradient.handle);
  }

  /** Adds the gradient of this tensor to the `grad` of every leaf that it depends on. */
  backward(gradOutput?: Tensor, { retainGraph = false }: { retainGraph?: boolean } = {}): void {
    native().backward([this.handle], gradOutput === undefined ? null : [gradOutput.handle], retainGraph);
  }

  /** The same storage, outside the graph. */
  detach(): Tensor {
    return ops.detach(this);
  }

  // Arithmetic -------------------------------------------------------------------------------------------------

  add(other: Tensor | number): Tensor {
    return typeof other === 'number' ? ops.addScalar(this, other) : ops.add(this, other);
  }

  sub(other: Tensor | number): Tensor {
    return typeof other === 'number' ? ops.subScalar(this, other) : ops.sub(this, other);
  }

  mul(other: Tensor | number): Tensor {
    return typeof other === 'number' ? ops.mulScalar(this, other) : ops.mul(this, other);
  }

  div(other: Tensor | number): Tensor {
    return typeof other === 'number' ? ops.divScalar(this, other) : ops.div(this, other);
  }

  /** In place; `alpha` scales `other`. */
  add_(other: Tensor | number, alpha = 1): this {
    if (typeof other === 'number') ops.addScalarInPlace(this, other, alpha);
    else ops.addInPlace(this, other, alpha);
    return this;
  }

  /** In place. */
  mul_(other: Tensor | number): this {
    if (typeof other === 'number') ops.mulScalarInPlace(this, other);
    else ops.mulInPlace(this, other);
    return this;
  }

  /** In place: takes over the values of `source`, cast to this dtype and moved to this device. */
  copy_(source: Tensor): this {
    ops.copy(this, source);
    return this;
  }

  /** In place. */
  zero_(): this {
    ops.zero(this);
    return this;
  }

  /** In place. */
  fill_(value: number): this {
    ops.fill(this, value);
    return this;
  }

  neg(): Tensor {
    return ops.neg(this);
  }

  abs(): Tensor {
    return ops.abs(this);
  }

  exp(): Tensor {
    return ops.exp(this);
  }

  log(): Tensor {
    return ops.log(this);
  }

  sqrt(): Tensor {
    return ops.sqrt(this);
  }

  rsqrt(): Tensor {
    return ops.rsqrt(this);
  }

  sin(): Tensor {
    return ops.sin(this);
  }

  cos(): Tensor {
    return ops.cos(this);
  }

  tanh(): Tensor {
    return ops.tanh(this);
  }

  sigmoid(): Tensor {
    return ops.sigmoid(this);
  }

  silu(): Tensor {
    return ops.silu(this);
  }

  gelu(approximate: 'none' | 'tanh' = 'none'): Tensor {
    return ops.gelu(this, approximate);
  }

  pow(exponent: number): Tensor {
    return ops.pow(this, exponent);
  }

  /** `dtype`: computed and given in that dtype. */
  softmax(dim: number, dtype?: DType): Tensor {
    return ops.softmax(this, dim, dtype);
  }

  logSoftmax(dim: number, dtype?: DType): Tensor {
    return ops.logSoftmax(this, dim, dtype);
  }

  matmul(other: Tensor): Tensor {
    return ops.matmul(this, other);
  }

  // Shape ------------------------------------------------------------------------------------------------------

  transpose(dim0: number, dim1: number): Tensor {
    return ops.transpose(this, dim0, dim1);
  }

  permute(dims: readonly number[]): Tensor {
    return ops.permute(this, dims);
  }

  reshape(shape: readonly number[]): Tensor {
    return ops.reshape(this, shape);
  }

  view(shape: readonly number[]): Tensor {
    return ops.view(this, shape);
  }

  contiguous(): Tensor {
    return ops.contiguous(this);
  }

  expand(shape: readonly number[]): Tensor {
    return ops.expand(this, shape);
  }

  unsqueeze(dim: number): Tensor {
    return ops.unsqueeze(this, dim);
  }

  squeeze(dim: number): Tensor {
    return ops.squeeze(this, dim);
  }

  /** A view of `length` elements from `start` on along `dim`. */
  narrow(dim: number, start: number, length: number): Tensor {
    return ops.narrow(this, dim, start, length);
  }

  select(dim: number, index: number): Tensor {
    return ops.select(this, dim, index);
  }

  chunk(count: number, dim = 0): Tensor[] {
    return ops.chunk(this, count, dim);
  }

  split(sizes: readonly number[], dim = 0): Tensor[] {
    return ops.split(this, sizes, dim);
  }

  indexSelect(dim: number, index: Tensor): Tensor {
    return ops.indexSelect(this, dim, index);
  }

  /** In place: rows `index` along `dim` take the rows of `source`. */
  indexCopy_(dim: number, index: Tensor, source: Tensor): this {
    ops.indexCopy(this, dim, index, source);
    return this;
  }

  gather(dim: number, index: Tensor): Tensor {
    return ops.gather(this, dim, index);
  }

  maskedFill(mask: Tensor, value: number): Tensor {
    return ops.maskedFill(this, mask, value);
  }

  // Reductions and comparisons -----------------------------------------------------------------------------------

  sum(dims?: readonly number[], keepDim = false): Tensor {
    return dims === undefined ? ops.sum(this) : ops.sumDims(this, dims, keepDim);
  }

  mean(dims?: readonly number[], keepDim = false): Tensor {
    return dims === undefined ? ops.mean(this) : ops.meanDims(this, dims, keepDim);
  }

  max(): Tensor {
    return ops.max(this);
  }

  min(): Tensor {
    return ops.min(this);
  }

  argmax(dim?: number): Tensor {
    return ops.argmax(this, dim);
  }

  /** The Euclidean norm of all elements, computed in `dtype`. */
  norm(dtype?: DType): Tensor {
    return ops.norm(this, 2, undefined, false, dtype);
  }

  isfinite(): Tensor {
    return ops.isfinite(this);
  }

  all(): Tensor {
    return ops.all(this);
  }

  /** Same shape and same values. */
  equals(other: Tensor): boolean {
    return ops.equal(this, other);
  }

  eq(value: number): Tensor {
    return ops.eq(this, value);
  }

  ne(value: number): Tensor {
    return ops.ne(this, value);
  }

  lt(other: Tensor): Tensor {
    return ops.lt(this, other);
  }

  le(other: Tensor): Tensor {
    return ops.le(this, other);
  }

  gt(other: Tensor): Tensor {
    return ops.gt(this, other);
  }

  ge(other: Tensor): Tensor {
    return ops.ge(this, other);
  }

  logicalAnd(other: Tensor): Tensor {
    return ops.logicalAnd(this, other);
  }

  logicalOr(other: Tensor): Tensor {
    return ops.logicalOr(this, other);
  }

  logicalNot(): Tensor {
    return ops.logicalNot(this);
  }

  // Conversion -------------------------------------------------------------------------------------------------

  /** This tensor in another dtype; itself when it has that dtype already. */
  to(dtype: DType): Tensor {
    return this.dtype === dtype ? this : ops.toDtype(this, dtype);
  }

  /** This tensor on another device; itself when it lies there already. */
  toDevice(device: string): Tensor {
    return this.device === device ? this : ops.toDevice(this, device, this.dtype);
  }

  clone(): Tensor {
    return ops.clone(this);
  }

  /** The value of a tensor of one element. */
  item(): number {
    return Number(ops.item(this));
  }

  /** A copy of the bytes, row by row, from whatever device. */
  toBytes(): Uint8Array {
    return new Uint8Array(native().toBytes(this.handle));
  }

  /** A copy of the values as float32. */
  toFloat32Array(): Float32Array {
    return new Float32Array(this.#bytesAs('float32'));
  }

  /** A copy of the values as float64. */
  toFloat64Array(): Float64Array {
    return new Float64Array(this.#bytesAs('float64'));
  }

  #bytesAs(dtype: DType): ArrayBuffer {
    const converted = this.to(dtype);
    const bytes = native().toBytes(converted.handle);
    if (converted !== this) converted.dispose();
    return bytes;
  }

  /** A copy of the values as plain numbers (integers beyond 2^53 lose digits). */
  toArray(): number[] {
    return Array.from(this.toFloat64Array());
  }
}

setTensorTest((value): value is Tensor => value instanceof Tensor);
