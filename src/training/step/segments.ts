/**
 * Gradients segment by segment. A model is a row of segments (embedding, each block, head with loss); at each boundary
 * the hidden state is cut from its graph and becomes the input of the next one, and the backward pass goes from the
 * last segment to the first. The sums are those of one graph over the whole model.
 *
 * Shapes: B batch, T tokens, D hidden.
 */
import type { CausalLm } from '../../models/index.js';
import { type RandomGenerator, scope, type Tensor } from '../../tensor/index.js';
import type { Gradients } from './gradient-store.js';
import type { PhaseClock } from './phase-clock.js';
import { type RoutingStatistics, type RoutingSums, routingBalance, sumRouting } from './routing-balance.js';
import { SegmentPass } from './segment-pass.js';
import type { SegmentSteps } from './segment-steps.js';

/** What a model reads. */
export interface ModelInput {
  readonly inputIds: Tensor; // int64 [B, T]
  /** Lengths of the documents in each row, where each is read on its own; undefined: a row is one text. */
  readonly documents?: readonly (readonly number[])[] | undefined;
  /** Ids of each row that are no padding, which stands behind them; undefined: all. */
  readonly lengths?: readonly number[] | undefined;
}

/** One micro-batch that is learned by cross-entropy. */
export interface TrainingBatch extends ModelInput {
  readonly targets: Tensor; // int64 [B, T]: the token after each input
  readonly weights: Tensor; // float32 [B, T]: what each target counts in the loss
}

/** The loss of what the last segment gives: logits [B, T, V], or scores. */
export type LossOf = (output: Tensor) => Tensor; // []

/**
 * What a segment keeps for its backward pass: all of its graph, or only its input to compute it again. full: every segment
 * but the last; or every n-th block, or the blocks of these numbers.
 */
export type Recompute = 'none' | 'full' | { readonly every: number } | { readonly layers: readonly number[] };

export interface GradientOptions {
  /** Default none. */
  readonly recompute?: Recompute;
  /** Draws what the segments leave to chance; a segment that is computed again draws the same. */
  readonly generator?: RandomGenerator | undefined;
  /** Noise on the embedding's output (NEFTune's alpha), drawn by the generator. Default none. */
  readonly embeddingNoise?: number | undefined;
  /** What the load-balancing loss of the model's experts counts, where it has one. Default 1. */
  readonly balanceWeight?: number | undefined;
  /** What of the gradient of that loss is to be computed here, where several processes compute the same and add it up. Default 1. */
  readonly gradientShare?: number | undefined;
  /** Told how the experts of the model shared the tokens. */
  readonly reportRouting?: ((statistics: RoutingStatistics) => void) | undefined;
  /** What else happens around each segment, in this order. Default nothing. */
  readonly steps?: readonly SegmentSteps[] | undefined;
  /** Told what the time goes to. */
  readonly clock?: PhaseClock | undefined;
}

/**
 * Adds the gradient of scale * sum(weight * cross-entropy) to `gradients`.
 * @returns the scaled loss
 */
export function accumulateGradients(
  model: CausalLm,
  batch: TrainingBatch,
  scale: number,
  gradients: Gradients,
  options: GradientOptions = {},
): number {
  const { targets, weights } = batch;
  const lossOf = (logits: Tensor): Tensor => model.crossEntropySum(logits, targets, weights).mul(scale);
  return accumulateLossGradients(model, batch, lossOf, gradients, options);
}

/**
 * Adds the gradient of a loss to `gradients`.
 * @param lossOf called once
 * @returns the loss, that of the experts' balance included, where the model has one
 */
export function accumulateLossGradients(
  model: CausalLm,
  input: ModelInput,
  lossOf: LossOf,
  gradients: Gradients,
  options: GradientOptions = {},
): number {
  const { clock } = options;
  clock?.enter('forward');
  return scope(() => {
    const pass = new SegmentPass(model, input, {
      ...options,
      lossOf,
      isTrained: (path) => gradients.isTrained(path),
    });
    // A boundary needs a gradient only behind the first segment that has something to train.
    if (pass.firstTrained < 0) throw new TypeError('no parameter to train');
    const output = pass.forward();
    const { loss, routingGradient } = balancedLoss(model, output, routingOf(model, pass.routing), options);
    clock?.enter('backward');
    pass.backward(undefined, routingGradient, gradients);
    clock?.enter(undefined);
    return loss;
  });
}

/** The sums of routing over all processes that have some of the tokens. */
export function routingOf(model: CausalLm, layers: readonly RoutingSums[]): readonly RoutingSums[] {
  const tokens = model.edges?.tokens;
  return tokens === undefined ? layers : sumRouting(layers, (values) => tokens.sum(values));
}

/** The loss with the part of the experts' balance, and its gradient by the sums of any router's probabilities. */
export function balancedLoss(
  model: CausalLm,
  output: Tensor,
  layers: readonly RoutingSums[],
  { balanceWeight = 1, gradientShare = 1, reportRouting }: GradientOptions,
): { readonly loss: number; readonly routingGradient: Tensor | undefined } {
  const balance = routingBalance(layers);
  if (balance !== undefined) reportRouting?.(balance.statistics);
  const scale = (model.balanceLossFactor ?? 0) * balanceWeight;
  return {
    loss: output.item() + scale * (balance?.statistics.balanceLoss ?? 0),
    routingGradient: scale === 0 ? undefined : balance?.gradient.mul(scale * gradientShare),
  };
}

/** What the last segment gives, freed with the scope around. Borders between segments are freed as they were used. */
export function modelOutput(model: CausalLm, input: ModelInput, steps: readonly SegmentSteps[] = []): Tensor {
  return scope(() => new SegmentPass(model, input, { steps }).measure());
}

/** What the last segment, the head, is given [B, T, D]; else as `modelOutput`. */
export function lastHiddenStates(model: CausalLm, input: ModelInput): Tensor {
  const range = { start: 0, end: model.layers.length + 1 };
  return scope(() => new SegmentPass(model, input, { range }).measure());
}
