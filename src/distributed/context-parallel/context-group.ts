/**
 * Processes that have a part of the tokens of each row, from the embedding to the loss. For attention they change what they have: each
 * gets all tokens of some heads, and its own tokens of all heads behind it (Jacobs et al. 2023, DeepSpeed-Ulysses, arXiv 2309.14509), so that
 * windows, documents and padding are what they are on one process.
 *
 * Shapes: C processes, B rows, T tokens, t tokens of a process (T / C, rounded up: the last ones are filled up), H heads, K heads of
 * keys and values, E head_dim.
 */
import { cat, noGrad, operator, type Tensor } from '../../tensor/index.js';
import type { ProcessGroup } from '../process-group.js';

const allReduceForward = operator('xinghe::all_reduce_forward');
const allGather = operator('xinghe::all_gather');
const allToAll = operator('xinghe::all_to_all');
const pad = operator('aten::constant_pad_nd');

export class ContextGroup {
  readonly rank: number;
  readonly size: number;
  readonly #group: ProcessGroup;
  #tokens = 0;

  constructor(group: ProcessGroup) {
    this.#group = group;
    this.rank = group.rank;
    this.size = group.size;
  }

  /** Rows of `tokens` tokens are computed from here on. */
  begin(tokens: number): void {
    this.#tokens = tokens;
  }

  /** T of the rows that are being computed. */
  get tokens(): number {
    return this.#tokens;
  }

  /** t */
  ownTokens(tokens: number): number {
    return Math.ceil(tokens / this.size);
  }

  /** The sum over all processes; each hands its gradient on as it is. */
  sum(part: Tensor): Tensor {
    return allReduceForward(part, this.#group.name);
  }

  /** The same outside of any graph. @param values are overwritten */
  sumInPlace(values: Tensor): Tensor {
    return this.#group.allReduce(values.contiguous()).wait();
  }

  /** @param whole [..., T, ...] along `dim`, which may be counted from the end @returns [..., t, ...], filled up with 0 */
  own(whole: Tensor, dim: number): Tensor {
    const tokens = whole.size(dim);
    const own = this.ownTokens(tokens);
    const missing = own * this.size - tokens;
    const behind = dim < 0 ? -dim - 1 : whole.numDims - dim - 1;
    // constant_pad_nd counts dimensions from the last one.
    const filled = missing === 0 ? whole : pad(whole, [...new Array<number>(2 * behind).fill(0), 0, missing]);
    return filled.narrow(dim, this.rank * own, own).contiguous();
  }

  /** @param own [B, H, t, E] of all heads @returns [B, H / C, T, E] of this process's heads */
  toHeads(own: Tensor): Tensor {
    const [rows = 0, heads = 0, tokens = 0, width = 0] = own.shape;
    const { size } = this;
    const sent = own.reshape([rows, size, heads / size, tokens, width]).transpose(0, 1);
    const received = allToAll(sent.contiguous(), size, this.#group.name); // [C, B, H / C, t, E]
    return received
      .permute([1, 2, 0, 3, 4])
      .reshape([rows, heads / size, size * tokens, width])
      .narrow(2, 0, this.#tokens);
  }

  /** The way back. @param mixed [B, H / C, T, E] @returns [B, H, t, E] */
  toTokens(mixed: Tensor): Tensor {
    const [rows = 0, heads = 0, , width = 0] = mixed.shape;
    const { size } = this;
    const own = this.ownTokens(this.#tokens);
    const missing = own * size - this.#tokens;
    const filled = missing === 0 ? mixed : pad(mixed, [0, 0, 0, missing]);
    const sent = filled.reshape([rows, heads, size, own, width]).permute([2, 0, 1, 3, 4]);
    const received = allToAll(sent.contiguous(), size, this.#group.name); // [C, B, H / C, t, E]
    return received.transpose(0, 1).reshape([rows, size * heads, own, width]);
  }

  /** Keys or values whose heads cannot be dealt out are repeated for the queries. @param own [B, K, t, E] @param heads of the queries */
  keysToHeads(own: Tensor, heads: number): Tensor {
    const [rows = 0, kvHeads = 0, tokens = 0, width = 0] = own.shape;
    if (kvHeads % this.size === 0) return this.toHeads(own);
    const repeated = own.unsqueeze(2).expand([rows, kvHeads, heads / kvHeads, tokens, width]);
    return this.toHeads(repeated.reshape([rows, heads, tokens, width]));
  }

  /** All tokens, for what every process computes of them alike: the gradient goes to the own ones. @param own [B, t, ...] @returns [B, T, ...] */
  whole(own: Tensor): Tensor {
    const all = noGrad(() => allGather(own.detach(), this.size, this.#group.name)); // [C * B, t, ...]
    const rows = own.size(0);
    const parts = Array.from({ length: this.size }, (_, rank) =>
      rank === this.rank ? own : all.narrow(0, rank * rows, rows),
    );
    return cat(parts, 1).narrow(1, 0, this.#tokens);
  }
}
