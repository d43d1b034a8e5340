/**
 * How evenly a mixture of experts shares its tokens: sums over the layers of one micro-batch, and the load-balancing loss of
 * Switch Transformer made of them (Fedus et al., arXiv 2101.03961, equations 4 to 6), over all layers as one, as transformers'
 * load_balancing_loss_func takes it: G * sum over experts of (choices / rows) * (mean probability). Padding is left out.
 *
 * The choices have no gradient. Hence that of a layer's probabilities is known once all layers were computed forward, and each
 * layer can be derived on its own.
 *
 * Shapes: N tokens of a micro-batch, G experts, k experts of a token, L layers that have experts.
 */
import type { Routing } from '../../nn/index.js';
import { floatTensor, noGrad, ones, operator, stack, type Tensor } from '../../tensor/index.js';
import type { MetricSum } from '../objective/objective.js';

const bincount = operator('aten::bincount');

/** Of one layer, over the tokens that are no padding. */
export interface RoutingSums {
  /** Sum of the probabilities, with the graph of the router. */
  readonly probabilities: Tensor; // [G]
  readonly choices: Tensor; // [G], in the dtype of the probabilities
  /** k */
  readonly perToken: number;
}

/** @param real 1 where a token is no padding, in the order of the rows; undefined: all are real */
export function routingSums({ probabilities, chosen }: Routing, real: Tensor | undefined): RoutingSums {
  const [, experts = 0] = probabilities.shape;
  const [, perToken = 0] = chosen.shape;
  const weights = real?.to(probabilities.dtype);
  const each = weights?.unsqueeze(1).expand(chosen.shape).reshape([-1]);
  return {
    probabilities: (weights === undefined ? probabilities : probabilities.mul(weights.unsqueeze(1))).sum([0]),
    choices: bincount(chosen.reshape([-1]), each, experts).to(probabilities.dtype),
    perToken,
  };
}

/** 1 where a token of the rows is real; undefined: none is padding. @param lengths of the texts in rows of `length` */
export function realTokens(lengths: readonly number[], length: number, device: string): Tensor | undefined {
  if (lengths.every((own) => own >= length)) return undefined;
  const real = lengths.flatMap((own) => Array.from({ length }, (_, index) => (index < own ? 1 : 0)));
  return floatTensor(real, [real.length], { dtype: 'float32', device });
}

/** The tokens of rows that several processes share. */
export interface SharedTokens {
  /** What this process has of values for all tokens [B, T], filled up with 0. */
  own(values: Tensor): Tensor; // [B, t]
}

/** The same of the own tokens: those that fill them up are not real. @param inputIds [B, T] */
export function ownTokens(tokens: SharedTokens, real: Tensor | undefined, inputIds: Tensor): Tensor {
  const whole = real?.view(inputIds.shape) ?? ones(inputIds.shape, { device: inputIds.device });
  return tokens.own(whole).reshape([-1]);
}

/** The sums of several processes, of their tokens each; they have no graph. @param sum over the processes */
export function sumRouting(layers: readonly RoutingSums[], sum: (values: Tensor) => Tensor): RoutingSums[] {
  const packed = packRouting(layers);
  return packed === undefined ? [] : unpackRouting(sum(packed), layers[0]?.perToken ?? 0);
}

/** Choices and probabilities of each layer in one tensor; undefined: no layer has experts. */
export function packRouting(layers: readonly RoutingSums[]): Tensor | undefined {
  if (layers.length === 0) return undefined;
  return noGrad(() =>
    stack(layers.map(({ choices, probabilities }) => stack([choices, probabilities.detach()]))),
  ); // [L, 2, G]
}

export function unpackRouting(packed: Tensor, perToken: number): RoutingSums[] {
  return Array.from({ length: packed.size(0) }, (_, layer) => {
    const own = packed.select(0, layer);
    return { choices: own.select(0, 0), probabilities: own.select(0, 1), perToken };
  });
}

/** What is measured of a micro-batch. */
export interface RoutingStatistics {
  /** The load-balancing loss, without its factor: 1 x k if the experts share the tokens evenly. */
  readonly balanceLoss: number;
  /** Part of the experts, over all layers, that no token chose. */
  readonly unused: number;
  /** Tokens of the busiest expert of any layer, as a multiple of an even share. */
  readonly busiest: number;
}

export interface RoutingBalance {
  readonly statistics: RoutingStatistics;
  /** Of the balance loss with respect to the probabilities of any layer, summed over its tokens. */
  readonly gradient: Tensor; // [G]
}

/** @param layers all that have experts; undefined where there is none. Call inside a scope that outlives the backward pass. */
export function routingBalance(layers: readonly RoutingSums[]): RoutingBalance | undefined {
  const [first] = layers;
  if (first === undefined) return undefined;
  const experts = first.choices.size(0);
  const sum = (tensors: readonly Tensor[]): Tensor => tensors.reduce((total, tensor) => total.add(tensor));
  const choices = sum(layers.map((layer) => layer.choices));
  const probabilities = sum(layers.map((layer) => layer.probabilities.detach()));
  const rows = choices.sum().item() / first.perToken;
  if (rows === 0) return undefined;
  const gradient = choices.mul(experts / rows / rows);
  const counts = layers.flatMap((layer) => layer.choices.toArray());
  return {
    gradient,
    statistics: {
      balanceLoss: gradient.mul(probabilities).sum().item(),
      unused: counts.filter((count) => count === 0).length / counts.length,
      busiest: (Math.max(...counts) * counts.length) / (rows * first.perToken),
    },
  };
}

/** Means over the tokens of a step. */
export function routingMetrics(
  { balanceLoss, unused, busiest }: RoutingStatistics,
  tokens: number,
): MetricSum[] {
  const mean = (name: string, value: number): MetricSum => ({ name, sum: value * tokens, count: tokens });
  return [
    mean('router/aux_loss', balanceLoss),
    mean('router/unused_experts', unused),
    mean('router/busiest_expert', busiest),
  ];
}
