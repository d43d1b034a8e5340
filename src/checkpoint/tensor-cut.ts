/**
 * How one parameter is cut over the ranks of a tensor-parallel group: along a dimension, in one or more blocks (a fused q|k|v has 3) of
 * which each rank has a part. Parts are equal where that is possible.
 */
import { sliceDimension, stackDimension, type TensorView } from '../formats/index.js';
import { cat, type FloatDType, type Tensor, zeros } from '../tensor/index.js';

/** Elements that follow one another in a tensor, counted row by row. */
export interface ElementRange {
  readonly start: number;
  readonly length: number;
}

export class TensorCut {
  /** Of the whole. */
  readonly shape: readonly number[];
  readonly dim: number;
  readonly rank: number;
  readonly #blocks: number;
  readonly #ranks: number;

  constructor(
    shape: readonly number[],
    { dim, blocks }: { readonly dim: number; readonly blocks: number },
    rank: number,
    ranks: number,
  ) {
    this.shape = shape;
    this.dim = dim;
    this.#blocks = blocks;
    this.rank = rank;
    this.#ranks = ranks;
  }

  /** The same cut of something else, a matrix beside this one. */
  like(shape: readonly number[], dim: number): TensorCut {
    return new TensorCut(shape, { dim, blocks: this.#blocks }, this.rank, this.#ranks);
  }

  /** Of this rank's part. */
  get partShape(): number[] {
    return this.#shapeOf(this.rank);
  }

  /** The first index of this rank along the dimension. */
  get start(): number {
    return this.#spans(this.rank)[0]?.start ?? 0;
  }

  /** This rank's part of the whole, or of an index of its first dimension, which is not cut then. */
  of(whole: Tensor): Tensor {
    const dim = this.dim - (this.shape.length - whole.numDims);
    const parts = this.#spans(this.rank).map(({ start, length }) => whole.narrow(dim, start, length));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : cat(parts, dim);
  }

  /** This rank's indices along the dimension, block by block. */
  get spans(): readonly ElementRange[] {
    return this.#spans(this.rank);
  }

  /** The same of the whole in a file: nothing is read. */
  view(whole: TensorView): TensorView {
    const parts = this.spans.map(({ start, length }) =>
      sliceDimension(whole, this.dim, start, start + length),
    );
    return stackDimension(parts, this.dim);
  }

  /** Where in the whole the elements from `start` on of this rank's part are, in their order. */
  rangesOf(start: number, length: number): ElementRange[] {
    const size = this.shape[this.dim] ?? 1;
    const inner = product(this.shape.slice(this.dim + 1));
    const spans = this.#spans(this.rank);
    const own = spans.reduce((sum, span) => sum + span.length, 0) * inner;
    const ranges: ElementRange[] = [];
    let [from, left] = [start, length];
    for (let outer = Math.floor(from / own); left > 0; outer++) {
      let before = outer * own;
      for (const span of spans) {
        const count = span.length * inner;
        const skipped = Math.max(0, from - before);
        if (skipped < count && left > 0) {
          const taken = Math.min(count - skipped, left);
          pushRange(ranges, { start: (outer * size + span.start) * inner + skipped, length: taken });
          from += taken;
          left -= taken;
        }
        before += count;
      }
    }
    return ranges;
  }

  /** The whole from the parts of all ranks, one after the other, each filled up to `partLength` elements. */
  join(parts: Tensor, partLength: number, dtype: FloatDType): Tensor {
    const whole = zeros(this.shape, { dtype, device: parts.device });
    for (let rank = 0; rank < this.#ranks; rank++) {
      const shape = this.#shapeOf(rank);
      const part = parts.narrow(0, rank * partLength, product(shape)).view(shape);
      let start = 0;
      for (const span of this.#spans(rank)) {
        whole.narrow(this.dim, span.start, span.length).copy_(part.narrow(this.dim, start, span.length));
        start += span.length;
      }
    }
    return whole;
  }

  /** Elements of the greatest part. */
  get greatestPart(): number {
    return Math.max(...Array.from({ length: this.#ranks }, (_, rank) => product(this.#shapeOf(rank))));
  }

  #shapeOf(rank: number): number[] {
    const own = this.#spans(rank).reduce((sum, { length }) => sum + length, 0);
    return this.shape.map((size, dim) => (dim === this.dim ? own : size));
  }

  #spans(rank: number): ElementRange[] {
    const block = (this.shape[this.dim] ?? 1) / this.#blocks;
    const at = (place: number): number => Math.floor((block * place) / this.#ranks);
    return Array.from({ length: this.#blocks }, (_, index) => ({
      start: index * block + at(rank),
      length: at(rank + 1) - at(rank),
    }));
  }
}

/** A list of ranges with one more, which is joined to the last where it follows it. */
function pushRange(ranges: ElementRange[], { start, length }: ElementRange): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.start + last.length === start)
    ranges[ranges.length - 1] = { start: last.start, length: last.length + length };
  else ranges.push({ start, length });
}

export function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}
