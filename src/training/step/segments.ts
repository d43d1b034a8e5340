/**
 * Gradients segment by segment. A model is a row of segments (embedding, each block, head with loss); at each border
 * the hidden state is cut from its graph and becomes the input of the next one, and the backward pass goes from the
 * last segment to the first. The sums are those of one graph over the whole model.
 *
 * Shapes: B batch, T tokens, D hidden.
 */
import type { CausalLm } from '../../models/index.js';
import { weightedCrossEntropySum } from '../../nn/index.js';
import {
  type Generator,
  generatorState,
  grad,
  noGrad,
  restoreGenerator,
  scope,
  type Tensor,
} from '../../tensor/index.js';
import type { GradientStore } from './gradient-store.js';
import type { PhaseClock } from './phase-clock.js';

/** One micro-batch. */
export interface TrainingBatch {
  readonly inputIds: Tensor; // int64 [B, T]
  readonly targets: Tensor; // int64 [B, T]: the token after each input
  readonly weights: Tensor; // float32 [B, T]: what each target counts in the loss
  /** Lengths of the documents in each row, where each is read on its own; undefined: a row is one text. */
  readonly documents?: readonly (readonly number[])[] | undefined;
}

/**
 * What a segment keeps for its backward pass: all of its graph, or only its input to compute it again. full: every segment
 * but the last; or every n-th block, or the blocks of these numbers.
 */
export type Recompute = 'none' | 'full' | { readonly every: number } | { readonly layers: readonly number[] };

export interface GradientOptions {
  /** Default none. */
  readonly recompute?: Recompute;
  /** Draws what the segments leave to chance; a segment that is computed again draws the same. */
  readonly generator?: Generator | undefined;
  /** Keep the borders between segments on the CPU while other segments compute. Default false. */
  readonly offloadBorders?: boolean;
  /** Told what the time goes to. */
  readonly clock?: PhaseClock | undefined;
}

interface Segment {
  readonly parameters: readonly Tensor[];
  run(input: Tensor | undefined): Tensor;
}

function segmentsOf(
  model: CausalLm,
  batch: TrainingBatch,
  scale: number,
  isTrained: (parameter: Tensor) => boolean,
): Segment[] {
  const context = model.createContext(batch.inputIds.size(1), { documents: batch.documents });
  const inLayers = new Set(
    model.layers.flatMap((layer) => layer.namedParameters().map(([, parameter]) => parameter)),
  );
  // The head may use the embedding, where it is tied: autograd tells whether it did.
  const outer = model
    .namedParameters()
    .map(([, parameter]) => parameter)
    .filter((parameter) => !inLayers.has(parameter) && isTrained(parameter));
  const embedding = model
    .namedParameters()
    .filter(([path, parameter]) => path.startsWith('embedTokens.') && outer.includes(parameter))
    .map(([, parameter]) => parameter);
  const required = (input: Tensor | undefined): Tensor => {
    if (input === undefined) throw new TypeError('only the first segment has no input');
    return input;
  };
  return [
    { parameters: embedding, run: () => model.embed(batch.inputIds) },
    ...model.layers.map((layer, index) => ({
      parameters: layer
        .namedParameters()
        .map(([, parameter]) => parameter)
        .filter(isTrained),
      run: (input: Tensor | undefined) => layer.forward(required(input), context, index),
    })),
    {
      parameters: outer,
      run: (input) =>
        weightedCrossEntropySum(model.head(required(input)), batch.targets, batch.weights).mul(scale),
    },
  ];
}

/**
 * Adds the gradient of scale * sum(weight * cross-entropy) to `gradients`.
 * @returns the scaled loss
 */
export function accumulateGradients(
  model: CausalLm,
  batch: TrainingBatch,
  scale: number,
  gradients: GradientStore,
  { recompute = 'none', generator, offloadBorders = false, clock }: GradientOptions = {},
): number {
  clock?.enter('forward');
  return scope(() => {
    const segments = segmentsOf(model, batch, scale, (parameter) => gradients.isTrained(parameter));
    // A border needs a gradient only behind the first segment that has something to train.
    const firstTrained = segments.findIndex((segment) => segment.parameters.length > 0);
    if (firstTrained < 0) throw new TypeError('no parameter to train');

    const { device } = model;
    const isRecomputed = segments.map((_, index) => mustRecompute(recompute, index, segments.length));
    const inputs: (Tensor | undefined)[] = [];
    const outputs: Tensor[] = [];
    const states = new Map<number, Tensor>(); // of the generator, before a segment that is computed again
    for (const [index, segment] of segments.entries()) {
      const border = outputs.at(-1);
      const input = border?.detach().setRequiresGrad(index > firstTrained);
      inputs.push(input);
      const again = isRecomputed[index] === true;
      if (again && generator !== undefined) states.set(index, generatorState(generator));
      const run = (): Tensor => scope(() => segment.run(input));
      outputs.push(index < firstTrained || again ? noGrad(run) : run());
      // Both segments have used this border; from here on it waits for the backward pass.
      const waits = again && isRecomputed[index - 1] === true;
      if (offloadBorders && device !== 'cpu' && waits && input !== undefined) {
        inputs[index] = input.toDevice('cpu');
        input.dispose();
        border?.dispose();
      }
    }
    const loss = outputs.at(-1)?.item() ?? Number.NaN;

    clock?.enter('backward');
    const endState = states.size > 0 && generator !== undefined ? generatorState(generator) : undefined;
    let gradOutput: Tensor | undefined;
    for (let index = segments.length - 1; index >= firstTrained; index--) {
      const segment = segments[index];
      let output = outputs[index];
      if (segment === undefined || output === undefined) throw new TypeError('segment without output');
      const stored = inputs[index];
      if (stored !== undefined && stored.device !== device) {
        inputs[index] = stored.toDevice(device).setRequiresGrad(index > firstTrained);
        stored.dispose();
      }
      const input = index > firstTrained ? inputs[index] : undefined;
      if (isRecomputed[index] === true) {
        output.dispose();
        const state = states.get(index);
        if (state !== undefined && generator !== undefined) restoreGenerator(generator, state);
        output = scope(() => segment.run(inputs[index]));
      }
      const wanted = input === undefined ? segment.parameters : [input, ...segment.parameters];
      const found = grad([output], wanted, gradOutput === undefined ? {} : { gradOutputs: [gradOutput] });
      gradOutput?.dispose();
      gradOutput = input === undefined ? undefined : (found.shift() ?? undefined);
      for (const [place, gradient] of found.entries()) {
        const parameter = segment.parameters[place];
        if (gradient !== null && parameter !== undefined) gradients.add(parameter, gradient);
      }
      output.dispose();
      inputs[index]?.dispose();
    }
    if (endState !== undefined && generator !== undefined) restoreGenerator(generator, endState);
    clock?.enter(undefined);
    return loss;
  });
}

function mustRecompute(recompute: Recompute, index: number, count: number): boolean {
  // The last segment's backward pass comes at once.
  if (index === count - 1) return false;
  if (recompute === 'none' || recompute === 'full') return recompute === 'full';
  const layer = index - 1;
  if (layer < 0) return false;
  return 'every' in recompute ? layer % recompute.every === 0 : recompute.layers.includes(layer);
}

/** The weighted sum of the losses of a batch, without gradients. */
export function batchLoss(model: CausalLm, batch: TrainingBatch): number {
  return scope(() => {
    let hidden: Tensor | undefined;
    for (const segment of segmentsOf(model, batch, 1, () => false)) {
      const input = hidden;
      hidden = scope(() => segment.run(input));
      input?.dispose();
    }
    return hidden?.item() ?? Number.NaN;
  });
}
