/**
 * Parameters that lie in one piece of memory, one after the other, which is cut into equal parts: one a rank. A part may
 * begin and end within a parameter; where the last one is short it is filled up with zeros.
 */
import type { Collectives, Pending } from '../../distributed/index.js';
import {
  byteWidth,
  type FloatDType,
  noGrad,
  operator,
  scope,
  type Tensor,
  zeros,
} from '../../tensor/index.js';

const setMemory = operator('aten::set_.source_Tensor_storage_offset');

/** The elements of a parameter that a rank has. */
export interface Piece {
  /** Where they begin, counted row by row over the whole parameter. */
  readonly start: number;
  readonly values: Tensor; // [n], in the memory of the part
}

interface Place {
  /** In the memory of the unit. */
  readonly start: number;
  readonly length: number;
  readonly shape: readonly number[];
}

export class FlatUnit {
  /** Own paths, in the order of the memory. */
  readonly paths: readonly string[];
  readonly dtype: FloatDType;
  /** Elements, the fill included: a multiple of the number of ranks. */
  readonly length: number;
  readonly #group: Collectives;
  readonly #places = new Map<string, Place>();
  readonly #whole: Tensor; // [length]
  readonly #part: Tensor; // [length / ranks]
  readonly #isReleased: boolean;
  #isThere = true;
  #gathering: Pending | undefined;

  /**
   * Moves the parameters into the memory of the unit.
   * @param parameters by own path, all of this dtype and on one device
   * @param isReleased only this rank's part is kept; the rest is there from `gather` to `release`. Default false
   */
  constructor(
    parameters: ReadonlyMap<string, Tensor>,
    dtype: FloatDType,
    group: Collectives,
    isReleased = false,
  ) {
    this.paths = [...parameters.keys()];
    this.dtype = dtype;
    this.#group = group;
    this.#isReleased = isReleased;
    let end = 0;
    for (const [path, { shape, numElements }] of parameters) {
      this.#places.set(path, { start: end, length: numElements, shape });
      end += numElements;
    }
    this.length = Math.ceil(end / group.size) * group.size;
    const partLength = this.length / group.size;
    const [device] = [...parameters.values()].map((parameter) => parameter.device);
    const { whole, part } = scope(() =>
      noGrad(() => {
        const all = zeros([this.length], device === undefined ? { dtype } : { dtype, device });
        for (const [path, parameter] of parameters) {
          const { start, length, shape } = this.#placeOf(path);
          all.narrow(0, start, length).view(shape).copy_(parameter);
          setMemory(parameter, all, start, shape, rowMajor(shape));
        }
        const own = all.narrow(0, group.rank * partLength, partLength);
        return { whole: all, part: isReleased ? own.clone() : own };
      }),
    );
    this.#whole = whole.keep();
    this.#part = part.keep();
    this.release();
  }

  /** Starts to bring the parts of all ranks together, where they are not there. */
  prefetch(): void {
    if (this.#isThere || this.#gathering !== undefined) return;
    this.#whole.resizeStorage(this.length * byteWidth(this.dtype));
    this.#gathering = this.#group.allGather(this.#part, this.#whole);
  }

  /** The parameters can be computed with. */
  gather(): void {
    this.prefetch();
    scope(() => this.#gathering?.wait());
    this.#gathering = undefined;
    this.#isThere = true;
  }

  /** Until what was started is there. */
  settle(): void {
    if (this.#gathering !== undefined) this.gather();
    this.release();
  }

  /** Frees what other ranks have; nothing where everything is kept. */
  release(): void {
    if (!this.#isReleased || !this.#isThere) return;
    this.#whole.resizeStorage(0);
    this.#isThere = false;
  }

  /** After this rank has changed its part, and every other its own: starts to bring them together. */
  refresh(): void {
    if (this.#isReleased) {
      if (this.#isThere) throw new TypeError('parameters changed while they were gathered');
      return;
    }
    this.#gathering = this.#group.allGather(this.#part, this.#whole);
  }

  /**
   * Takes new values of a parameter, or of a part of it; the other ranks take them too.
   * @param from the first element that they are for, counted row by row
   */
  write(path: string, values: Tensor, from: number): void {
    const { start } = this.#placeOf(path);
    const count = values.numElements;
    noGrad(() =>
      scope(() => {
        const flat = values.reshape([count]);
        if (this.#isThere) this.#whole.narrow(0, start + from, count).copy_(flat);
        const piece = this.#isReleased ? this.piece(path) : undefined;
        if (piece === undefined) return;
        const first = Math.max(from, piece.start);
        const end = Math.min(from + count, piece.start + piece.values.numElements);
        if (first >= end) return;
        piece.values
          .narrow(0, first - piece.start, end - first)
          .copy_(flat.narrow(0, first - from, end - first));
      }),
    );
  }

  /** undefined: this rank has nothing of it. The values are kept by the caller or freed with the scope. */
  piece(path: string): Piece | undefined {
    const found = this.#overlap(path);
    if (found === undefined) return undefined;
    return { start: found.start, values: this.#part.narrow(0, found.inPart, found.length) };
  }

  /** Gradients of whole parameters as this rank's part of the sum over all ranks; the caller frees it. */
  reduceScatter(gradients: ReadonlyMap<string, Tensor>, dtype: FloatDType): Pending {
    return this.#group.reduceScatter(this.#laidOut(gradients, dtype));
  }

  /** The same as the whole sum. */
  allReduce(gradients: ReadonlyMap<string, Tensor>, dtype: FloatDType): Pending {
    return this.#group.allReduce(this.#laidOut(gradients, dtype).keep());
  }

  #laidOut(gradients: ReadonlyMap<string, Tensor>, dtype: FloatDType): Tensor {
    return noGrad(() => {
      const all = zeros([this.length], { dtype, device: this.#whole.device });
      for (const [path, gradient] of gradients) {
        const { start, length, shape } = this.#placeOf(path);
        scope(() => all.narrow(0, start, length).view(shape).copy_(gradient));
      }
      return all;
    });
  }

  sizeOf(path: string): { readonly length: number; readonly shape: readonly number[] } {
    return this.#placeOf(path);
  }

  /** Some of the gradients one after the other, zeros where there is none. */
  sideBySide(paths: readonly string[], gradients: ReadonlyMap<string, Tensor>, dtype: FloatDType): Tensor {
    const length = paths.reduce((sum, path) => sum + this.#placeOf(path).length, 0);
    const all = zeros([length], { dtype, device: this.#whole.device });
    let start = 0;
    for (const path of paths) {
      const { length: own, shape } = this.#placeOf(path);
      const gradient = gradients.get(path);
      if (gradient !== undefined) scope(() => all.narrow(0, start, own).view(shape).copy_(gradient));
      start += own;
    }
    return all;
  }

  /** A parameter in a tensor that is laid out as the unit. */
  wholeIn(whole: Tensor, path: string): Tensor {
    const { start, length, shape } = this.#placeOf(path);
    return whole.narrow(0, start, length).view(shape);
  }

  /** The piece of a parameter in a tensor that is laid out as this rank's part. */
  pieceIn(part: Tensor, path: string): Tensor | undefined {
    const found = this.#overlap(path);
    return found === undefined ? undefined : part.narrow(0, found.inPart, found.length);
  }

  /** Leaves the parameters in memory of their own: whole, where they were gathered. */
  dispose(): void {
    this.#part.dispose();
    this.#whole.dispose();
  }

  #overlap(
    path: string,
  ): { readonly start: number; readonly inPart: number; readonly length: number } | undefined {
    const { start, length } = this.#placeOf(path);
    const partLength = this.length / this.#group.size;
    const from = Math.max(start, this.#group.rank * partLength);
    const end = Math.min(start + length, (this.#group.rank + 1) * partLength);
    if (from >= end) return undefined;
    return { start: from - start, inPart: from - this.#group.rank * partLength, length: end - from };
  }

  #placeOf(path: string): Place {
    const place = this.#places.get(path);
    if (place === undefined) throw new TypeError(`${path} is not of this unit`);
    return place;
  }
}

function rowMajor(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let dim = shape.length - 2; dim >= 0; dim--)
    strides[dim] = (strides[dim + 1] ?? 1) * (shape[dim + 1] ?? 1);
  return strides;
}
