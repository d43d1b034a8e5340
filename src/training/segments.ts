/**
 * Gradients segment by segment. A model is a row of segments (embedding, each block, head with loss); at each border
 * the hidden state is cut from its graph and becomes the input of the next one, and the backward pass goes from the
 * last segment to the first. The sums are those of one graph over the whole model.
 *
 * Shapes: B batch, T tokens, D hidden.
 */
import type { CausalLm } from '../models/index.js';
import { weightedCrossEntropySum } from '../nn/index.js';
import {
  type Generator,
  generatorState,
  grad,
  noGrad,
  restoreGenerator,
  scope,
  type Tensor,
} from '../tensor/index.js';
import type { GradientStore } from './gradient-store.js';

/** One micro-batch. */
export interface TrainingBatch {
  readonly inputIds: Tensor; // int64 [B, T]
  readonly targets: Tensor; // int64 [B, T]: the token after each input
  readonly weights: Tensor; // float32 [B, T]: what each target counts in the loss
  /** Lengths of the documents in each row, where each is read on its own; undefined: a row is one text. */
  readonly documents?: readonly (readonly number[])[] | undefined;
}

/** What a segment keeps for its backward pass: all of its graph, or only its input to compute it again. */
export type Recompute = 'none' | 'full';

export interface GradientOptions {
  /** Default none. */
  readonly recompute?: Recompute;
  /** Draws what the segments leave to chance; a segment that is computed again draws the same. */
  readonly generator?: Generator | undefined;
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
  // Embedding and head together: a tied table belongs to both, and autograd tells which of them it reached.
  const outer = model
    .namedParameters()
    .map(([, parameter]) => parameter)
    .filter((parameter) => !inLayers.has(parameter) && isTrained(parameter));
  const required = (input: Tensor | undefined): Tensor => {
    if (input === undefined) throw new TypeError('only the first segment has no input');
    return input;
  };
  return [
    { parameters: outer, run: () => model.embed(batch.inputIds) },
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
  { recompute = 'none', generator }: GradientOptions = {},
): number {
  return scope(() => {
    const segments = segmentsOf(model, batch, scale, (parameter) => gradients.isTrained(parameter));
    // A border needs a gradient only behind the first segment that has something to train.
    const firstTrained = segments.findIndex((segment) => segment.parameters.length > 0);
    if (firstTrained < 0) throw new TypeError('no parameter to train');

    const inputs: (Tensor | undefined)[] = [];
    const outputs: Tensor[] = [];
    const states: Tensor[] = []; // of the generator, before each segment
    for (const [index, segment] of segments.entries()) {
      const border = outputs.at(-1);
      const input = border?.detach().setRequiresGrad(index > firstTrained);
      inputs.push(input);
      const forget = index < firstTrained || (recompute === 'full' && index < segments.length - 1);
      if (recompute === 'full' && generator !== undefined) states.push(generatorState(generator));
      const run = (): Tensor => scope(() => segment.run(input));
      outputs.push(forget ? noGrad(run) : run());
    }
    const loss = outputs.at(-1)?.item() ?? Number.NaN;

    const endState = states.length > 0 && generator !== undefined ? generatorState(generator) : undefined;
    let gradOutput: Tensor | undefined;
    for (let index = segments.length - 1; index >= firstTrained; index--) {
      const segment = segments[index];
      let output = outputs[index];
      if (segment === undefined || output === undefined) throw new TypeError('segment without output');
      const input = index > firstTrained ? inputs[index] : undefined;
      if (recompute === 'full' && index < segments.length - 1) {
        output.dispose();
        const state = states[index];
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
    return loss;
  });
}
