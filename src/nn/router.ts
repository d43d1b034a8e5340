/**
 * Which experts read a token: the likeliest of a softmax over all, computed in float32 at least, as Qwen3-MoE publishes it.
 *
 * Shapes: N tokens, D hidden, G experts, k experts of a token.
 */
import { operator, type Tensor } from '../tensor/index.js';
import { Module, parameter } from './module.js';
import { accumulationDType } from './norm.js';

const linear = operator('xinghe::linear');
const topK = operator('aten::topk');

export interface RouterOptions {
  /** k */
  readonly perToken: number;
  /** Do the weights of a token's experts add up to 1? Else they are what the softmax over all says. */
  readonly normalise: boolean;
}

export interface Routing {
  /** Of every expert, in float32 at least, with the graph of the router. */
  readonly probabilities: Tensor; // [N, G]
  /** The likeliest first. */
  readonly chosen: Tensor; // int64 [N, k]
  /** How much each counts, in the dtype of the tokens. */
  readonly weights: Tensor; // [N, k]
}

/** No `Linear` on purpose: adapters of all linear layers leave the router alone, as they do in transformers. */
export class Router extends Module {
  weight: Tensor; // [G, D]
  readonly perToken: number;
  readonly normalise: boolean;

  constructor(hiddenSize: number, experts: number, { perToken, normalise }: RouterOptions) {
    super();
    this.weight = parameter(experts, hiddenSize);
    this.perToken = perToken;
    this.normalise = normalise;
  }

  /** @param x [N, D] */
  forward(x: Tensor): Routing {
    const probabilities = linear(x, this.weight).softmax(-1, accumulationDType(x.dtype)); // [N, G]
    const [likeliest, chosen] = topK(probabilities, this.perToken);
    const shares = this.normalise ? likeliest.div(likeliest.sum([-1], true)) : likeliest;
    return { probabilities, chosen, weights: shares.to(x.dtype) };
  }
}
