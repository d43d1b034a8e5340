/**
 * The way of one batch through some segments of a model that follow one another, forward and backward: all of them, or those that
 * this rank has. At each boundary the hidden state is cut from its graph and becomes the input of the next one.
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
import { ownTokens, type RoutingSums, realTokens, routingSums } from './routing-balance.js';
import type { SegmentRun, SegmentSteps } from './segment-steps.js';
import type { GradientOptions, LossOf, ModelInput, Recompute } from './segments.js';

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

/** Segments of a model, by index: from the first to the one before `end`. */
export interface SegmentRange {
  readonly start: number;
  readonly end: number;
}

export interface SegmentPassOptions extends GradientOptions {
  /** What the last segment of the model gives becomes this. Default: stays what it is. */
  readonly lossOf?: LossOf;
  /** Parameters here that want a gradient. Default: none. */
  readonly isTrained?: (path: string) => boolean;
  /** The first segment of the whole model that has something to train. Default: told by `isTrained`. */
  readonly firstTrained?: number | undefined;
  /** Default: all. */
  readonly range?: SegmentRange | undefined;
}

/** Every method is called inside of one scope, which outlives the pass. */
export class SegmentPass {
  readonly firstTrained: number;
  readonly #segments: readonly ComputedSegment[];
  readonly #generator: RandomGenerator | undefined;
  readonly #steps: readonly SegmentSteps[];

  constructor(model: CausalLm, input: ModelInput, options: SegmentPassOptions) {
    const all = segmentsOf(model, input, options);
    const { range = { start: 0, end: all.length } } = options;
    this.firstTrained = options.firstTrained ?? all.findIndex(({ parameters }) => parameters.size > 0);
    this.#segments = all.slice(range.start, range.end);
    this.#generator = options.generator;
    this.#steps = options.steps ?? [];
  }

  /** Without any graph: what the last segment gives. Borders between segments are freed as they were used. */
  measure(input?: Tensor): Tensor {
    let hidden = input;
    for (const segment of this.#segments) {
      const before = hidden;
      segment.input = before;
      for (const step of this.#steps) step.beforeForward?.(segment);
      hidden = segment.compute();
      for (const step of this.#steps) step.afterForward?.(segment);
      before?.dispose();
    }
    if (hidden === undefined) throw new TypeError('a model without segments');
    return hidden;
  }

  /** @param input [B, T, D] of the first segment, unless it reads ids @returns what the last segment gives */
  forward(input?: Tensor): Tensor {
    const [first] = this.#segments;
    let boundary = input;
    for (const segment of this.#segments) {
      const before = this.#segments[segment.index - 1 - (first?.index ?? 0)];
      segment.input = boundary?.detach().setRequiresGrad(segment.index > this.firstTrained);
      if (before?.isRecomputed === true || (segment === first && boundary !== undefined)) boundary?.dispose(); // The input is the same memory.
      for (const step of this.#steps) step.beforeForward?.(segment);
      boundary = this.#compute(segment);
      for (const step of this.#steps) step.afterForward?.(segment);
      if (segment.isRecomputed) segment.output = undefined;
    }
    if (boundary === undefined) throw new TypeError('a model without segments');
    return boundary;
  }

  /** The backward pass begins with what `forward` gave; else it is computed again. */
  get holdsOutput(): boolean {
    return this.#segments.at(-1)?.isRecomputed !== true;
  }

  /** How the layers that have experts shared the tokens. After `forward`. */
  get routing(): RoutingSums[] {
    return this.#segments.flatMap(({ routing }) => routing ?? []);
  }

  /**
   * @param gradOutput of what `forward` gave; undefined: that was a loss. Is freed
   * @param routingGradient of the loss by the sums of any router's probabilities; undefined: it does not count them
   * @returns the gradient of `forward`'s input, where something before it is trained
   */
  backward(
    gradOutput: Tensor | undefined,
    routingGradient: Tensor | undefined,
    gradients: Gradients,
  ): Tensor | undefined {
    const generator = this.#generator;
    for (const segment of this.#segments)
      if (segment.routing !== undefined) segment.routingGradient = routingGradient;
    const drew = this.#segments.some(({ generatorState }) => generatorState !== undefined);
    const endState = drew && generator !== undefined ? generatorState(generator) : undefined;
    let gradient = gradOutput;
    for (const segment of [...this.#segments].reverse()) {
      if (segment.index < this.firstTrained) break;
      for (const step of this.#steps) step.beforeBackward?.(segment);
      gradient = backward(segment, gradient, segment.index > this.firstTrained, generator, gradients);
      for (const step of this.#steps) step.afterBackward?.(segment);
    }
    if (endState !== undefined && generator !== undefined) restoreGenerator(generator, endState);
    return gradient;
  }

  #compute(segment: ComputedSegment): Tensor {
    const generator = this.#generator;
    if (segment.isRecomputed && generator !== undefined) segment.generatorState = generatorState(generator);
    const isTrained = segment.index >= this.firstTrained && !segment.isRecomputed;
    const output = isTrained ? segment.compute() : noGrad(() => segment.compute());
    segment.output = output;
    return output;
  }
}

function segmentsOf(
  model: CausalLm,
  { inputIds, documents, lengths }: ModelInput,
  {
    recompute = 'none',
    embeddingNoise,
    generator,
    isTrained = () => false,
    lossOf = (output) => output,
  }: SegmentPassOptions,
): ComputedSegment[] {
  const length = inputIds.size(1);
  const { edges } = model;
  edges?.begin(length);
  const whole = model.createContext(length, { documents });
  const context = edges?.tokens?.shareContext(whole) ?? whole;
  const wholeEmbedding = edges && { length, ownPart: (values: Tensor) => edges.ownPart(values) };
  const real = lengths === undefined ? undefined : realTokens(lengths, length, model.device);
  const counted = edges?.tokens === undefined ? real : ownTokens(edges.tokens, real, inputIds);
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
      // Other rows may have been computed since.
      edges?.begin(length);
      const { output, routed } = scope(() => {
        const routed: RoutingSums[] = [];
        const observeRouting = (routing: Routing): void => {
          routed.push(routingSums(routing, counted));
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
