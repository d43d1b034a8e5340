/**
 * `Tensor`: PyTorch's tensor with PyTorch's method names in camelCase. Semantics (broadcasting, dtype promotion, views)
 * are libtorch's own.
 */
import { byteWidth, type DType, isDType } from './dtype.js';
import { native } from './native.js';
import { setTensorKind } from './operator.js';
import { adopt, dispose, keep, type Scoped, setTensorTest } from './scope.js';
import { tensorOperators as ops } from './tensor-operators.js';

export class Tensor implements Scoped {
  static {
    setTensorKind({
      make: (handle) => new Tensor(handle),
      is: (value): value is Tensor => value instanceof Tensor,
      forgetShape: (tensor) => {
        tensor.#shape = undefined;
      },
    });
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
