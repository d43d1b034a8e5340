/**
 * A linear layer that every process has whole, and of whose outputs each takes some: heads of keys and values that are fewer than the
 * processes, or not a multiple of them. Which gradient a process finds is its part of a sum.
 *
 * Shapes: … any leading dimensions, O output features, K heads in them, k heads taken (one may be taken twice).
 */
import { type Linear, WrappedLinear } from '../../nn/index.js';
import { intTensor, type Tensor } from '../../tensor/index.js';

export class SelectedOutputs extends WrappedLinear {
  readonly #heads: readonly number[];
  readonly #count: number;

  /** @param heads taken, in this order @param count K */
  constructor(base: Linear, heads: readonly number[], count: number) {
    super(base);
    this.#heads = heads;
    this.#count = count;
  }

  /** @param x [..., I] @returns [..., k * O / K] */
  forward(x: Tensor): Tensor {
    const all = this.base.forward(x);
    const { shape } = all;
    const leading = shape.slice(0, -1);
    const width = (shape.at(-1) ?? 0) / this.#count;
    const index = intTensor([...this.#heads], [this.#heads.length]).toDevice(x.device);
    const taken = all.reshape([...leading, this.#count, width]).indexSelect(leading.length, index);
    return taken.reshape([...leading, this.#heads.length * width]);
  }
}

/**
 * Heads of keys and values that the queries of a process look at: each once where they are shared evenly and in their order, else one for
 * every head of queries.
 * @param heads of queries in all, a multiple of `ranks` and of `kvHeads`
 */
export function headsOfRank(heads: number, kvHeads: number, rank: number, ranks: number): number[] {
  const [own, group] = [heads / ranks, heads / kvHeads];
  const wanted = Array.from({ length: own }, (_, index) => Math.floor((rank * own + index) / group));
  const once = [...new Set(wanted)];
  const share = own / once.length;
  const isEven = wanted.every((head, index) => head === once[Math.floor(index / share)]);
  return isEven && Number.isInteger(share) ? once : wanted;
}
