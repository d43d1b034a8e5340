/**
 * A SwiGLU MLP for each expert, of which a token is read by a few: the sum of weight * down(silu(gate(x)) * up(x)) over
 * those that its router chooses. The tokens are copied once for each of their experts and sorted by them, so that every
 * matrix of an expert is multiplied once with all its rows.
 *
 * Shapes: … any leading dimensions, N tokens, D hidden, F intermediate of an expert, G experts, k experts of a token.
 */
import { arange, operator, type Tensor } from '../tensor/index.js';
import { gatedActivation } from './gated-activation.js';
import { GroupedLinear } from './grouped-linear.js';
import { Module } from './module.js';
import { Router, type RouterOptions, type Routing } from './router.js';

const sortStable = operator('aten::sort.stable');
const floorDivide = operator('aten::floor_divide.Scalar');
const countOf = operator('aten::bincount');
const unbind = operator('aten::unbind.int');

export interface MixtureOfExpertsOptions extends RouterOptions {
  readonly hiddenSize: number;
  /** F */
  readonly intermediateSize: number;
  /** G */
  readonly experts: number;
}

/** Rows sorted by expert. */
interface SortedRows {
  /** Row N * k of the unsorted order at each place. */
  readonly order: Tensor; // int64 [N * k]
  /** The place of each unsorted row. */
  readonly places: Tensor; // int64 [N * k]
  readonly counts: Tensor; // int64 [G]
}

export class Experts extends Module {
  readonly gateProj: GroupedLinear; // D -> F
  readonly upProj: GroupedLinear; // D -> F
  readonly downProj: GroupedLinear; // F -> D

  constructor({ hiddenSize, intermediateSize, experts }: MixtureOfExpertsOptions) {
    super();
    this.gateProj = new GroupedLinear(experts, hiddenSize, intermediateSize);
    this.upProj = new GroupedLinear(experts, hiddenSize, intermediateSize);
    this.downProj = new GroupedLinear(experts, intermediateSize, hiddenSize);
  }

  /** @param x [N * k, D], sorted by expert @param counts int64 [G] @returns [N * k, D] */
  forward(x: Tensor, counts: Tensor): Tensor {
    const inner = gatedActivation(this.gateProj.forward(x, counts), this.upProj.forward(x, counts), 'silu');
    return this.downProj.forward(inner, counts);
  }
}

export class MixtureOfExperts extends Module {
  readonly router: Router;
  readonly experts: Experts;
  readonly #count: number;

  constructor(options: MixtureOfExpertsOptions) {
    super();
    this.router = new Router(options.hiddenSize, options.experts, options);
    this.experts = new Experts(options);
    this.#count = options.experts;
  }

  /** @param x [..., D] @param observe is told how the tokens were routed, in their order */
  forward(x: Tensor, observe?: (routing: Routing) => void): Tensor {
    const tokens = x.reshape([-1, x.size(-1)]); // [N, D]
    const routing = this.router.forward(tokens);
    observe?.(routing);
    const { perToken } = this.router;
    const { order, places, counts } = sortByExpert(routing.chosen, this.#count);
    const read = tokens.indexSelect(0, floorDivide(order, perToken)); // [N * k, D]
    const written = this.experts
      .forward(read, counts)
      .indexSelect(0, places)
      .view([tokens.size(0), perToken, -1]);
    const parts = unbind(written.mul(routing.weights.unsqueeze(-1)), 1); // k of [N, D]
    // One after the other: what a token gets does not depend on how many tokens there are, as it may in a sum over a dimension.
    return parts.reduce((sum, part) => sum.add(part)).view(x.shape);
  }
}

/** Rows of one expert stay in the order of their tokens. @param chosen int64 [N, k] */
function sortByExpert(chosen: Tensor, experts: number): SortedRows {
  const flat = chosen.reshape([-1]);
  const [, order] = sortStable(flat, true);
  const rows = arange(0, flat.size(0), { device: flat.device });
  const places = rows.clone().indexCopy_(0, order, rows);
  return { order, places, counts: countOf(flat, undefined, experts) };
}
