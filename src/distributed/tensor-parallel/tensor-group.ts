/**
 * The processes that each hold a part of every large matrix of a model and compute on the same rows (Shoeybi et al. 2019, arXiv
 * 1909.08053): what is exchanged between what each of them computes alone and what all of them have.
 *
 * Around a split region, attention or MLP: what enters is whole on every process, so that its gradient is summed; what leaves is
 * a part of a sum. With sequence parallelism (Korthikanti et al. 2022, arXiv 2205.05198) each process has its own tokens outside of such
 * regions: they are gathered where they enter, and the sum leaves scattered.
 *
 * Shapes: P processes, B rows, T tokens, t tokens of a process (T / P, rounded up: the last ones are filled up), D hidden.
 */
import { cat, noGrad, operator, type Tensor } from '../../tensor/index.js';
import type { ProcessGroup } from '../process-group.js';

const allReduceForward = operator('xinghe::all_reduce_forward');
const allReduceBackward = operator('xinghe::all_reduce_backward');
const allGather = operator('xinghe::all_gather');
const reduceScatter = operator('xinghe::reduce_scatter');
const unbind = operator('aten::unbind.int');
const pad = operator('aten::constant_pad_nd');

export class TensorGroup {
  readonly rank: number;
  readonly size: number;
  /** Has each process tokens of its own outside of split regions? */
  readonly isSequence: boolean;
  readonly #group: ProcessGroup;
  readonly #isOrdered: boolean;
  /** T of the rows that are being computed. */
  #tokens = 0;

  /** @param isOrdered sums without a gradient, always in the order of the ranks: no token's depends on how many there are. Default false */
  constructor(group: ProcessGroup, isSequence: boolean, isOrdered = false) {
    this.#group = group;
    // Of two summands the order makes no difference.
    this.#isOrdered = isOrdered && group.size > 2;
    this.rank = group.rank;
    this.size = group.size;
    this.isSequence = isSequence;
  }

  get group(): ProcessGroup {
    return this.#group;
  }

  /** Rows of `tokens` tokens are computed from here on. */
  begin(tokens: number): void {
    this.#tokens = tokens;
  }

  /** The sum over all processes; each hands its gradient on as it is. @param part [...] */
  sum(part: Tensor): Tensor {
    if (this.#isOrdered) return this.#orderedSum(part);
    return allReduceForward(part, this.#group.name);
  }

  /** The greatest of all processes, outside of any graph. @param values are overwritten */
  /** Rings add each element of a tensor in another order. */
  #orderedSum(part: Tensor): Tensor {
    const all = allGather(part.unsqueeze(0), this.size, this.#group.name); // [P, ...]
    return unbind(all, 0).reduce((sum, own) => sum.add(own));
  }

  max(values: Tensor): Tensor {
    return this.#group.allReduce(values, 'max').wait();
  }

  /** @param hidden [B, T, D], or [B, t, D] own tokens @returns [B, T, D] that layers read of which each process has a part */
  enter(hidden: Tensor): Tensor {
    if (!this.isSequence) return allReduceBackward(hidden, this.#group.name);
    const [rows = 0, own = 0, width = 0] = hidden.shape;
    const gathered = allGather(hidden, this.size, this.#group.name); // [P * B, t, D]
    const inTurn = gathered.view([this.size, rows, own, width]).permute([1, 0, 2, 3]);
    return inTurn.reshape([rows, this.size * own, width]).narrow(1, 0, this.#tokens);
  }

  /** @param part [B, T, D] of a sum @returns the sum [B, T, D], or that of the own tokens [B, t, D] */
  leave(part: Tensor): Tensor {
    if (!this.isSequence) return this.sum(part);
    const [rows = 0, , width = 0] = part.shape;
    const own = this.#ownTokens;
    const filled = this.#filledUp(part).view([rows, this.size, own, width]).permute([1, 0, 2, 3]);
    const flat = filled.reshape([this.size * rows, own, width]);
    return reduceScatter(flat, this.size, this.#group.name); // [B, t, D]
  }

  /** Whole tokens for what every process computes alike, and derives alike: no gradient is summed. */
  enterWhole(hidden: Tensor): Tensor {
    if (!this.isSequence) return hidden;
    const own = hidden.size(1);
    const all = noGrad(() => {
      const [rows = 0, , width = 0] = hidden.shape;
      const gathered = allGather(hidden.detach(), this.size, this.#group.name);
      return gathered.view([this.size, rows, own, width]);
    });
    const parts = Array.from({ length: this.size }, (_, rank) =>
      rank === this.rank ? hidden : all.select(0, rank),
    );
    return cat(parts, 1).narrow(1, 0, this.#tokens);
  }

  /** What this process has of whole rows outside of split regions. @param whole [B, T, D] @returns [B, T, D] or [B, t, D] */
  ownPart(whole: Tensor): Tensor {
    if (!this.isSequence) return whole;
    const own = this.#ownTokens;
    return this.#filledUp(whole).narrow(1, this.rank * own, own);
  }

  /** Tokens of a row that a process has outside of split regions, of `tokens` in all. */
  tokensBetween(tokens: number): number {
    return this.isSequence ? Math.ceil(tokens / this.size) : tokens;
  }

  /** T of the rows that are being computed, and not those of this process alone. */
  get tokens(): number {
    return this.#tokens;
  }

  get #ownTokens(): number {
    return this.tokensBetween(this.#tokens);
  }

  #filledUp(whole: Tensor): Tensor {
    const missing = this.#ownTokens * this.size - whole.size(1);
    return missing === 0 ? whole : pad(whole, [0, 0, 0, missing]);
  }
}
