/**
 * Gradients segment by segment. A model is a row of segments (embedding, each block, head with loss); at each boundary
 * the hidden state is cut from its graph and becomes the input of the next one, and the backward pass goes from the
 * last segment to the first. The sums are those of one graph over the whole model.
 *
 * Shapes: B batch, T tokens, D hidden.
 */
import type { CausalLm } from '../../models/index.js';
import type { Routing } from '../../nn/index.js';
import {
  generatorState,
  grad,
  noGrad,
  type RandomGenerator,
  restoreGenerator,
  scope,
  type Tensor,
} from '../../tensor/index.js';
import { withEmbeddingNoise } from './embedding-noise.js';
import type { Gradients } from './gradient-store.js';
import type { PhaseClock } from './phase-clock.js';
import {
  type RoutingStatistics,
  type RoutingSums,
  realTokens,
  routingBalance,
  routingSums,
} from './routing-balance.js';
import type { SegmentRun, SegmentSteps } from './segment-steps.js';

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
  readonly steps?: readonly SegmentSteps[];
  /** Told what the time goes to. */
  readonly clock?: PhaseClock | undefined;
}

/** With the way to compute it. */
interface ComputedSegment extends SegmentRun {
  compute(): Tensor;
  /** How its experts shared the tokens when it was last computed; undefined: it has none. */
  routing: RoutingSums | undefined;
  /** Of the loss with respect to the sums of its router's probabilities. */
  routingGradient: Tensor | undefined;
  /** Of the generator, before it drew for a segment that is computed again. */
  generatorState: Tensor | undefined;
}

function segmentsOf(
  model: CausalLm,
  { inputIds, documents, lengths }: ModelInput,
  lossOf: LossOf,
  isTrained: (path: string) => boolean,
  { recompute = 'none', embeddingNoise, generator }: GradientOptions,
): ComputedSegment[] {
  const length = inputIds.size(1);
  const context = model.createContext(length, { documents });
  const { edges } = model;
  const wholeEmbedding = edges && { length, ownPart: (whole: Tensor) => edges.ownPart(whole) };
  const real = lengths === undefined ? undefined : realTokens(lengths, length, model.device);
  const parameters = new Map(model.namedParameters().filter(([path]) => isTrained(path)));
  const segments = model.segments();
  const isRecomputed = segments.map((_, index) => mustRecompute(recompute, index, segments.length));
  return segments.map((segment, index) => ({
    name: segment.name,
    index,
    parameters: new Map(
      segment.parameters.flatMap((path) => {
        const parameter = parameters.get(path);
        return parameter === undefined ? [] : [[path, parameter] as const];
      }),
    ),
    isRecomputed: isRecomputed[index] === true,
    hasFreeInput: isRecomputed[index] === true && isRecomputed[index - 1] === true,
    input: undefined,
    output: undefined,
    generatorState: undefined,
    ...noRouting(),
    compute(): Tensor {
      const { output, routed } = scope(() => {
        const routed: RoutingSums[] = [];
        const observeRouting = (routing: Routing): void => {
          routed.push(routingSums(routing, real));
        };
        const output = segment.forward(this.input ?? inputIds, { ...context, observeRouting });
        if (index === 0 && embeddingNoise !== undefined)
          return { output: withEmbeddingNoise(output, embeddingNoise, generator, wholeEmbedding), routed };
        return { output: index < segments.length - 1 ? output : lossOf(output), routed };
      });
      [this.routing] = routed;
      return output;
    },
  }));
}

function noRouting(): Pick<ComputedSegment, 'routing' | 'routingGradient'> {
  return { routing: undefined, routingGradient: undefined };
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
  const { generator, steps = [], clock, balanceWeight = 1, gradientShare = 1, reportRouting } = options;
  clock?.enter('forward');
  return scope(() => {
    const segments = segmentsOf(model, input, lossOf, (path) => gradients.isTrained(path), options);
    // A boundary needs a gradient only behind the first segment that has something to train.
    const firstTrained = segments.findIndex((segment) => segment.parameters.size > 0);
    if (firstTrained < 0) throw new TypeError('no parameter to train');
    let boundary: Tensor | undefined;
    for (const segment of segments) {
      segment.input = boundary?.detach().setRequiresGrad(segment.index > firstTrained);
      if (segments[segment.index - 1]?.isRecomputed === true) boundary?.dispose(); // The input is the same memory.
      for (const step of steps) step.beforeForward?.(segment);
      boundary = forward(segment, segment.index >= firstTrained, generator);
      for (const step of steps) step.afterForward?.(segment);
      if (segment.isRecomputed) segment.output = undefined;
    }
    const balance = routingBalance(segments.flatMap(({ routing }) => routing ?? []));
    if (balance !== undefined) reportRouting?.(balance.statistics);
    const balanceScale = (model.balanceLossFactor ?? 0) * balanceWeight;
    const loss = (boundary?.item() ?? Number.NaN) + balanceScale * (balance?.statistics.balanceLoss ?? 0);
    const routingGradient =
      balanceScale === 0 ? undefined : balance?.gradient.mul(balanceScale * gradientShare);
    for (const segment of segments)
      if (segment.routing !== undefined) segment.routingGradient = routingGradient;

    clock?.enter('backward');
    const drew = segments.some(({ generatorState }) => generatorState !== undefined);
    const endState = drew && generator !== undefined ? generatorState(generator) : undefined;
    let gradOutput: Tensor | undefined;
    for (const segment of segments.slice(firstTrained).reverse()) {
      for (const step of steps) step.beforeBackward?.(segment);
      gradOutput = backward(segment, gradOutput, segment.index > firstTrained, generator, gradients);
      for (const step of steps) step.afterBackward?.(segment);
    }
    if (endState !== undefined && generator !== undefined) restoreGenerator(generator, endState);
    clock?.enter(undefined);
    return loss;
  });
}

function forward(
  segment: ComputedSegment,
  isTrained: boolean,
  generator: RandomGenerator | undefined,
): Tensor {
  if (segment.isRecomputed && generator !== undefined) segment.generatorState = generatorState(generator);
  const output = isTrained && !segment.isRecomputed ? segment.compute() : noGrad(() => segment.compute());
  segment.output = output;
  return output;
}

/** @param gradOutput of its output, is freed @returns the gradient of its input, where that is wanted */
function backward(
  segment: ComputedSegment,
  gradOutput: Tensor | undefined,
  wantsInput: boolean,
  generator: RandomGenerator | undefined,
  gradients: Gradients,
): Tensor | undefined {
  if (segment.isRecomputed) {
    const { generatorState: state } = segment;
    if (state !== undefined && generator !== undefined) restoreGenerator(generator, state);
    segment.output = segment.compute();
  }
  const { output } = segment;
  if (output === undefined) throw new TypeError(`segment ${segment.name} without output`);
  const input = wantsInput ? segment.input : undefined;
  const parameters = [...segment.parameters];
  const wanted = [...(input === undefined ? [] : [input]), ...parameters.map(([, parameter]) => parameter)];
  const found = grad(...derived(segment, output, gradOutput, wanted));
  gradOutput?.dispose();
  const gradInput = input === undefined ? undefined : (found.shift() ?? undefined);
  for (const [index, gradient] of found.entries()) {
    const path = parameters[index]?.[0];
    if (gradient !== null && path !== undefined) gradients.add(path, gradient);
  }
  output.dispose();
  segment.input?.dispose();
  return gradInput;
}

/** What is derived: the output, and the sums of probabilities where the loss is made of them, too. */
function derived(
  { routing, routingGradient }: ComputedSegment,
  output: Tensor,
  gradOutput: Tensor | undefined,
  wanted: readonly Tensor[],
): Parameters<typeof grad> {
  if (gradOutput === undefined) return [[output], wanted, {}];
  const sums = routing?.probabilities;
  if (routingGradient === undefined || sums?.requiresGrad !== true)
    return [[output], wanted, { gradOutputs: [gradOutput] }];
  return [[output, sums], wanted, { gradOutputs: [gradOutput, routingGradient] }];
}

function mustRecompute(recompute: Recompute, index: number, count: number): boolean {
  // The last segment's backward pass comes at once.
  if (index === count - 1) return false;
  if (recompute === 'none' || recompute === 'full') return recompute === 'full';
  const layer = index - 1;
  if (layer < 0) return false;
  return 'every' in recompute ? layer % recompute.every === 0 : recompute.layers.includes(layer);
}

/** What the last segment gives, freed with the scope around. Borders between segments are freed as they were used. */
export function modelOutput(model: CausalLm, input: ModelInput, steps: readonly SegmentSteps[] = []): Tensor {
  return outputOf(model, input, 0, steps);
}

/** What the last segment, the head, is given [B, T, D]; else as `modelOutput`. */
export function lastHiddenStates(model: CausalLm, input: ModelInput): Tensor {
  return outputOf(model, input, 1, []);
}

/** @param leftOut segments at the end that are not computed */
function outputOf(
  model: CausalLm,
  input: ModelInput,
  leftOut: 0 | 1,
  steps: readonly SegmentSteps[],
): Tensor {
  return scope(() => {
    let hidden: Tensor | undefined;
    const segments = segmentsOf(
      model,
      input,
      (output) => output,
      () => false,
      {},
    );
    for (const segment of segments.slice(0, segments.length - leftOut)) {
      const before = hidden;
      segment.input = before;
      for (const step of steps) step.beforeForward?.(segment);
      hidden = segment.compute();
      for (const step of steps) step.afterForward?.(segment);
      before?.dispose();
    }
    if (hidden === undefined) throw new TypeError('a model without segments');
    return hidden;
  });
}
