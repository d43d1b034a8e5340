/** A step through the stages of a pipeline, as one of them computes it: its micro-batches forward and backward in a planned order. */
import type { CausalLm } from '../../models/index.js';
import {
  generatorState,
  LastingScope,
  noGrad,
  restoreGenerator,
  scope,
  type Tensor,
  zeros,
} from '../../tensor/index.js';
import type { PreparedBatch } from '../objective/objective.js';
import type { Gradients } from './gradient-store.js';
import type { MicroBatchWork } from './micro-batch-work.js';
import {
  ChunkMessages,
  type ForwardMessage,
  type MessagePlace,
  type Pipeline,
  type SentMessage,
} from './pipeline.js';
import { keyOf, type PipelineAction, type PipelinePlan, planPipeline } from './plan-pipeline.js';
import { SegmentPass } from './segment-pass.js';
import { balancedLoss, type GradientOptions, type ModelInput } from './segments.js';

/** The phase in which a stage waits for another. */
export const WAIT = 'wait';

/** A chunk of a micro-batch between its forward and its backward pass. */
interface HeldPass {
  readonly scope: LastingScope;
  readonly pass: SegmentPass;
  /** Of what it gives. */
  readonly outputShape: readonly number[];
  /** Of the last chunk. */
  readonly routingGradient: Tensor | undefined;
}

/** A micro-batch of the step. */
interface StepBatch {
  readonly scope: LastingScope;
  readonly work: MicroBatchWork;
  readonly prepared: PreparedBatch;
  /** Of the generator, where the first chunk begins to draw. */
  readonly draws: Tensor | undefined;
}

export interface PipelineStepOptions {
  readonly model: CausalLm;
  readonly pipeline: Pipeline;
  readonly gradients: Gradients;
  readonly gradientOptions: GradientOptions;
  /** The gradients of a micro-batch come next. */
  readonly beginBackward: (isLast: boolean) => void;
}

export class PipelineStep {
  readonly #options: PipelineStepOptions;
  readonly #messages: ChunkMessages;
  readonly #held = new Map<string, HeldPass>();
  /** Of a forward pass that is not through. */
  #begun: LastingScope | undefined;
  /** On their way, with the place of the action that takes them in the plan of the other stage. */
  #sent: (SentMessage & { readonly taker: number })[] = [];
  #plan: PipelinePlan = { actions: [], time: 0 };
  #microBatches = 0;
  /** Of each action, in the plan of its stage. */
  readonly #places = new Map<string, number>();
  #loss = 0;

  constructor(options: PipelineStepOptions) {
    this.#options = options;
    const { model, pipeline, gradientOptions } = options;
    const { generator } = gradientOptions;
    this.#messages = new ChunkMessages({ model, pipeline, generator, passesRouting: true }, (sent) =>
      this.#sent.push({ ...sent, taker: this.#places.get(keyOf({ kind: sent.direction, ...sent.to })) ?? 0 }),
    );
  }

  /**
   * Adds the gradients of all micro-batches, with a pause after each action.
   * @param begin called before a micro-batch is prepared: sets what is drawn for it
   * @returns the sum of the losses on the last stage; 0 on the others
   */
  *run(
    work: readonly MicroBatchWork[],
    begin: (work: MicroBatchWork) => void,
  ): globalThis.Generator<undefined, number> {
    const { pipeline, gradientOptions } = this.#options;
    const batches: StepBatch[] = [];
    this.#loss = 0;
    try {
      for (const one of work) {
        begin(one);
        batches.push(this.#prepare(one));
        yield undefined;
      }
      this.#planFor(work.length);
      for (const action of this.#plan.actions[pipeline.stage] ?? []) {
        const batch = batches[action.microBatch];
        if (batch === undefined) throw new TypeError(`no micro-batch ${action.microBatch}`);
        gradientOptions.clock?.enter(action.kind);
        if (action.kind === 'forward') this.#forward(action, batch);
        else this.#backward(action, batch, action.microBatch === work.length - 1);
        gradientOptions.clock?.enter(undefined);
        yield undefined;
      }
      this.#settle(() => true);
      return this.#loss;
    } finally {
      for (const { scope: own } of [...batches, ...this.#held.values()]) own.dispose();
      this.#begun?.dispose();
      this.#begun = undefined;
      this.#held.clear();
      this.#sent = [];
    }
  }

  #prepare(work: MicroBatchWork): StepBatch {
    const { model, pipeline, gradientOptions } = this.#options;
    const own = new LastingScope();
    return own.run(() => {
      const { generator, steps } = gradientOptions;
      const prepared = work.batch.prepare(model, (input) =>
        pipelineOutput(model, input, pipeline, { steps, generator }),
      );
      const draws = pipeline.stage === 0 && generator !== undefined ? generatorState(generator) : undefined;
      return { scope: own, work, prepared, draws };
    });
  }

  #forward(action: PipelineAction, { work, prepared, draws }: StepBatch): void {
    const { model, pipeline, gradients, gradientOptions } = this.#options;
    const { microBatch, chunk } = action;
    const own = new LastingScope();
    this.#begun = own;
    const held = own.run((): HeldPass => {
      const before =
        chunk === 0 ? undefined : this.#receiveForward({ microBatch, chunk: chunk - 1 }, prepared);
      const { generator } = gradientOptions;
      if (draws !== undefined && generator !== undefined && chunk === 0) restoreGenerator(generator, draws);
      const pass = new SegmentPass(model, prepared, {
        ...gradientOptions,
        lossOf: (output) => work.lossOf(prepared.sums(output)),
        isTrained: (path) => gradients.isTrained(path),
        firstTrained: pipeline.firstTrained,
        range: pipeline.chunks[chunk],
      });
      const output = pass.forward(before?.hidden);
      const routing = this.#messages.routingAfter(before?.routing ?? [], pass.routing);
      const outputShape = output.shape;
      if (this.#isLast(chunk)) {
        const { loss, routingGradient } = balancedLoss(model, output, routing, work.routing);
        if (work.isCounted) this.#loss += loss;
        return { scope: own, pass, outputShape, routingGradient };
      }
      this.#messages.sendForward({ microBatch, chunk }, { hidden: output, routing });
      if (!pass.holdsOutput) output.dispose();
      return { scope: own, pass, outputShape, routingGradient: undefined };
    });
    this.#held.set(placeOf(action), held);
    this.#begun = undefined;
  }

  #backward(action: PipelineAction, { work }: StepBatch, isLastOfStep: boolean): void {
    const { pipeline, gradients, beginBackward } = this.#options;
    const { microBatch, chunk } = action;
    const held = this.#held.get(placeOf(action));
    if (held === undefined) throw new TypeError('a backward pass before its forward pass');
    const { start = 0, end = 0 } = pipeline.chunks[chunk] ?? {};
    const { firstTrained } = pipeline;
    held.scope.run(() => {
      // Nothing here is trained, nor before.
      if (end <= firstTrained) return;
      const hasRouting = this.#countsRouting(work);
      const behind = this.#isLast(chunk)
        ? { gradient: undefined, routingGradient: this.#lastRoutingGradient(held, hasRouting) }
        : this.#receiveGradient({ microBatch, chunk: chunk + 1 }, held.outputShape, hasRouting);
      beginBackward(isLastOfStep);
      const [routed] = held.pass.routing;
      const own = routed && behind.routingGradient?.to(routed.probabilities.dtype);
      const gradient = held.pass.backward(behind.gradient, own, gradients);
      if (start <= firstTrained) return;
      if (gradient === undefined) throw new TypeError('a chunk without a gradient of its input');
      this.#messages.sendGradient({ microBatch, chunk }, gradient, behind.routingGradient);
    });
    held.scope.dispose();
    this.#held.delete(placeOf(action));
  }

  #isLast(chunk: number): boolean {
    return chunk === this.#options.pipeline.chunks.length - 1;
  }

  #countsRouting({ routing: { balanceWeight = 1 } }: MicroBatchWork): boolean {
    const { balanceLossFactor = 0, shape } = this.#options.model;
    return shape.experts !== undefined && balanceLossFactor * balanceWeight !== 0;
  }

  #lastRoutingGradient({ routingGradient }: HeldPass, hasRouting: boolean): Tensor | undefined {
    const { device, shape } = this.#options.model;
    if (!hasRouting || shape.experts === undefined) return undefined;
    return routingGradient ?? zeros([shape.experts.count], { dtype: 'float64', device });
  }

  #receiveForward(from: MessagePlace, input: ModelInput): ForwardMessage {
    const message = this.#waiting('forward', () => this.#messages.receiveForward(from, input));
    this.#noteReceived({ kind: 'forward', ...from });
    return message;
  }

  #receiveGradient(
    from: MessagePlace,
    shape: readonly number[],
    hasRouting: boolean,
  ): ReturnType<ChunkMessages['receiveGradient']> {
    const message = this.#waiting('backward', () => this.#messages.receiveGradient(from, shape, hasRouting));
    this.#noteReceived({ kind: 'backward', ...from });
    return message;
  }

  /** For another stage: that is no part of what this one does. */
  #waiting<Result>(kind: PipelineAction['kind'], receive: () => Result): Result {
    const { clock } = this.#options.gradientOptions;
    clock?.enter(WAIT);
    const result = receive();
    clock?.enter(kind);
    return result;
  }

  /** Whoever has sent this is through with all that its plan has before, and has what that takes. */
  #noteReceived(action: PipelineAction): void {
    const stage = action.chunk % this.#options.pipeline.stages;
    const place = this.#places.get(keyOf(action)) ?? 0;
    this.#settle((sent) => sent.stage === stage && sent.taker < place);
  }

  #settle(isThere: (sent: Pick<SentMessage, 'stage'> & { readonly taker: number }) => boolean): void {
    this.#sent = this.#sent.filter((sent) => {
      if (!isThere(sent)) return true;
      sent.tensor.wait();
      return false;
    });
  }

  #planFor(microBatches: number): void {
    if (microBatches === this.#microBatches) return;
    const { stages, chunksPerStage } = this.#options.pipeline;
    this.#microBatches = microBatches;
    this.#plan = planPipeline({ stages, chunksPerStage, microBatches });
    this.#places.clear();
    for (const actions of this.#plan.actions)
      for (const [place, action] of actions.entries()) this.#places.set(keyOf(action), place);
  }
}

function placeOf({ microBatch, chunk }: MessagePlace): string {
  return `${microBatch} ${chunk}`;
}

/**
 * What the last segment gives, on the last stage; undefined on the others. All stages together.
 * @param generator what the segments draw from; it is the same on the first stage as if that had computed all. Default: nothing is drawn
 */
export function pipelineOutput(
  model: CausalLm,
  input: ModelInput,
  pipeline: Pipeline,
  { steps = [], generator }: Pick<GradientOptions, 'steps' | 'generator'>,
): Tensor | undefined {
  const { chunks, stages, stage } = pipeline;
  const sent: SentMessage[] = [];
  const messages = new ChunkMessages({ model, pipeline, generator, passesRouting: false }, (one) =>
    sent.push(one),
  );
  const last = { microBatch: 0, chunk: chunks.length - 1 };
  const result = scope(() =>
    noGrad(() => {
      let output: Tensor | undefined;
      for (const [chunk, range] of chunks.entries()) {
        if (chunk % stages !== stage) continue;
        const before =
          chunk === 0 ? undefined : messages.receiveForward({ microBatch: 0, chunk: chunk - 1 }, input);
        const pass = new SegmentPass(model, input, { steps, range });
        const hidden = pass.measure(before?.hidden);
        if (chunk < last.chunk) messages.sendForward({ microBatch: 0, chunk }, { hidden, routing: [] });
        else {
          output = hidden;
          messages.sendDraws(last);
        }
      }
      if (stage === 0) messages.receiveDraws(last);
      return output;
    }),
  );
  for (const { tensor } of sent) tensor.wait();
  return result;
}
