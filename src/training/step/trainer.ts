/**
 * One optimiser step after another on a model in memory: micro-batches, loss scale, clipping, learning rate, update. Files,
 * rows and checkpoints are the business of src/training/run/.
 */

import type { ElementRange } from '../../checkpoint/index.js';
import type { Row } from '../../data/index.js';
import { InputError, NonFiniteError } from '../../errors/index.js';
import type { CausalLm } from '../../models/index.js';
import {
  keepFreedMemory,
  noGrad,
  type RandomGenerator,
  returnFreedMemory,
  scope,
  type Tensor,
} from '../../tensor/index.js';
import { crossEntropy } from '../objective/cross-entropy.js';
import {
  type LossDivisors,
  MetricMeans,
  type MetricSum,
  type Objective,
  stepLoss,
} from '../objective/objective.js';
import { AdamW } from './adamw.js';
import { BoundaryOffload } from './boundary-offload.js';
import { GradientStore, type Gradients } from './gradient-store.js';
import { LossScale, type LossScaleState } from './loss-scale.js';
import { filledUp, type MicroBatchWork } from './micro-batch-work.js';
import type { PhaseClock } from './phase-clock.js';
import { PipelineStep, pipelineOutput } from './pipeline-step.js';
import { rememberDraws, StepDraws } from './remember-draws.js';
import { routingMetrics } from './routing-balance.js';
import { learningRateAt, type Schedule, scheduleOf } from './schedule.js';
import { accumulateLossGradients, type GradientOptions, type ModelInput, modelOutput } from './segments.js';
import type { SharedStep, ShareStep } from './shared-step.js';
import { countStep, meansOverRanks, sumOverRanks, tokensOf } from './step-totals.js';
import type { TrainingSettings } from './training-settings.js';
import { writeElements } from './write-elements.js';

/** What a trainer has to know beside the settings. */
export interface TrainerOptions {
  /** Of the run: the learning rate's curve ends behind the last. */
  readonly totalSteps: number;
  /** Learning rate of a parameter, by own path, as a multiple of the step's. Default 1. */
  readonly learningRateFactors?: ReadonlyMap<string, number> | undefined;
  /** The published name of an own path, as decay is told and saved states are named. Default: the path itself. */
  readonly publishedName?: (path: string) => string;
  /** Read each text of a packed row on its own, as if it were alone in it. Default false: attention spans the row. */
  readonly documentAttention?: boolean;
  /** Fills the rows of a batch to one length; its targets never count. */
  readonly padTokenId: number;
  /** What is learned by. Default: cross-entropy over the loss masks. */
  readonly objective?: Objective | undefined;
  /** Draws what the forward pass leaves to chance (dropout, noise on the embedding). */
  readonly generator?: RandomGenerator | undefined;
  readonly clock?: PhaseClock | undefined;
  /** How the ranks of the run share each step. Default: this process takes all of it. */
  readonly share?: ShareStep | undefined;
}

/** The sums of a batch's loss, and what they are divided by; undefined: the loss has no such part. */
export interface MeasuredRows {
  readonly perToken: number | undefined;
  readonly perRecord: number | undefined;
  readonly divisors: LossDivisors;
  readonly metrics: readonly MetricSum[] | undefined;
}

export interface StepResult {
  /** Mean over all learned tokens of the step; with the part of the experts' balance, where the model has one. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Tokens read, padding apart. */
  readonly tokens: number;
  /** Tokens learned. */
  readonly learnedTokens: number;
  /** Means over the step, by name; undefined: objective and model have none. */
  readonly metrics: Readonly<Record<string, number>> | undefined;
  /** The parameters were left as they were: loss or gradients were not finite. */
  readonly skipped: boolean;
  /** The factor under which the step was computed; undefined where the loss is not scaled. */
  readonly lossScale: number | undefined;
}

/** What a resumed run needs beside the parameters. The tensors stay the trainer's. */
export interface TrainerState {
  readonly optimizerSteps: number;
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Where a tensor is a piece of a whole one that other ranks have the rest of. */
  readonly places: ReadonlyMap<string, PiecePlace>;
  readonly lossScale: LossScaleState | undefined;
}

/** A piece of a tensor. */
export interface PiecePlace {
  /** Where its elements are in the whole, in their order. */
  readonly ranges: readonly ElementRange[];
  /** Of the whole tensor. */
  readonly shape: readonly number[];
  /** False: another rank has the same, and saves it. */
  readonly isOwn: boolean;
}

export class Trainer {
  readonly #model: CausalLm;
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #settings: TrainingSettings;
  readonly #options: TrainerOptions;
  readonly #schedule: Schedule;
  readonly #objective: Objective;
  readonly #gradientOptions: GradientOptions;
  readonly #gradients: Gradients;
  readonly #shared: SharedStep | undefined;
  readonly #pipelineStep: PipelineStep | undefined;
  readonly #optimizer: AdamW;
  readonly #lossScale: LossScale | undefined;

  /** @param parameters what is trained, by own path; all else is frozen */
  constructor(
    model: CausalLm,
    parameters: ReadonlyMap<string, Tensor>,
    settings: TrainingSettings,
    options: TrainerOptions,
  ) {
    const { generator, clock, learningRateFactors, publishedName = (path) => path } = options;
    const { recompute, offload, precision } = settings;
    this.#model = model;
    this.#parameters = parameters;
    this.#settings = settings;
    this.#options = options;
    this.#schedule = scheduleOf(settings, options.totalSteps);
    this.#objective =
      options.objective ??
      crossEntropy({
        padTokenId: options.padTokenId,
        documentAttention: options.documentAttention,
        lossAlignment: settings.loss_alignment,
      });
    keepFreedMemory();
    for (const [, parameter] of model.namedParameters()) parameter.setRequiresGrad(false);
    const isWide = settings.gradient_accumulation_steps > 1;
    this.#shared = options.share?.(model, parameters, isWide);
    this.#gradients = this.#shared?.gradients ?? new GradientStore(parameters, isWide);
    this.#gradientOptions = {
      recompute,
      embeddingNoise: settings.neftune_noise_alpha,
      generator,
      clock,
      steps: [
        ...(this.#shared === undefined ? [] : [this.#shared.segmentSteps]),
        ...(offload.boundaries ? [new BoundaryOffload(model.device)] : []),
      ],
    };
    const pipeline = this.#shared?.pipeline;
    this.#pipelineStep =
      pipeline &&
      new PipelineStep({
        model,
        pipeline,
        gradients: this.#gradients,
        gradientOptions: this.#gradientOptions,
        beginBackward: (isLast) => this.#shared?.beginMicroBatch(isLast),
      });
    this.#optimizer = new AdamW(
      [...parameters].flatMap(([path, whole]) => {
        const name = publishedName(path);
        const parameter = this.#shared === undefined ? whole : this.#shared.updatedPart(path);
        if (parameter === undefined) return [];
        const weightDecay = isDecayed(name, whole, settings) ? settings.weight_decay : 0;
        return [
          { path, name, parameter, weightDecay, learningRateFactor: learningRateFactors?.get(path) ?? 1 },
        ];
      }),
      {
        beta1: settings.beta1,
        beta2: settings.beta2,
        eps: settings.eps,
        form: settings.adamw,
        masterWeights: precision === 'bfloat16-mixed' || precision === 'float16-mixed',
        stateDevice: offload.optimizer ? 'cpu' : undefined,
      },
    );
    const lossScale =
      settings.loss_scale ?? (precision === 'float16-mixed' ? { kind: 'dynamic' as const } : undefined);
    this.#lossScale = lossScale === undefined ? undefined : new LossScale(lossScale);
  }

  /**
   * One update from several micro-batches, as if they were one batch: the loss is divided by the number of learned
   * tokens of all of them.
   * @throws InputError if nothing is learned; NonFiniteError if loss or gradients are not finite and such steps are not
   *   to be left out; the parameters are untouched then
   */
  step(microBatches: readonly (readonly Row[])[], filler?: Row): StepResult {
    const parts = this.microSteps(microBatches, filler);
    for (;;) {
      const { done, value } = parts.next();
      if (done === true) return value;
    }
  }

  /**
   * The same with a pause after each micro-batch. Left in a pause, nothing has happened: nothing was drawn either.
   * @param filler any row: a rank with fewer micro-batches than others computes it for nothing, since all ranks take part in
   *   what is gathered and summed
   */
  *microSteps(
    microBatches: readonly (readonly Row[])[],
    filler?: Row,
  ): globalThis.Generator<undefined, StepResult> {
    const { clock, generator } = this.#options;
    const learningRate = learningRateAt(this.#optimizer.steps, this.#schedule);
    clock?.enter('data');
    const own = microBatches.map((rows) => this.#objective.arrange(rows));
    const { divisors, learned, tokens, before, count } = countStep(this.#shared, own, microBatches);
    const metrics = new MetricMeans();
    if (learned === 0)
      throw new InputError('training: the batch has no token to learn; check the loss masks.');
    const scale = this.#lossScale?.value ?? 1;
    const remembered = rememberDraws(generator);
    const draws = new StepDraws(generator);
    try {
      const counted = own.map((batch, index): MicroBatchWork => {
        const read = tokensOf(microBatches[index] ?? []);
        return {
          number: before + index,
          batch,
          isCounted: true,
          lossOf: (sums) => {
            metrics.add(sums.metrics);
            return stepLoss(sums, divisors, scale);
          },
          routing: {
            balanceWeight: (read / tokens) * scale,
            gradientShare: 1 / (this.#shared?.ranksOfRows ?? 1),
            reportRouting: (statistics) => metrics.add(routingMetrics(statistics, read)),
          },
        };
      });
      const work =
        filler === undefined ? counted : filledUp(counted, count, () => this.#objective.arrange([filler]));
      const scaledLoss = yield* this.#pipelineStep?.run(work, ({ number }) => draws.begin(number)) ??
        this.#inTurn(work, draws);
      clock?.enter('optimizer');
      this.#shared?.endMicroBatches();
      const loss = sumOverRanks(this.#shared, scaledLoss) / scale;
      const gradNorm = scope(() => this.#gradients.norm()) / scale;
      const result = {
        loss,
        gradNorm,
        learningRate,
        tokens,
        learnedTokens: Math.round(divisors.tokens),
        metrics: meansOverRanks(this.#shared, metrics),
        lossScale: this.#lossScale?.value,
      };
      const skipped = !(Number.isFinite(loss) && Number.isFinite(gradNorm));
      if (skipped) this.#refuseOrSkip(loss, gradNorm);
      else {
        const clipping = Math.min(1, this.#settings.max_grad_norm / (gradNorm + 1e-6));
        scope(() => this.#optimizer.step(this.#gradients, learningRate, clipping / scale));
        this.#shared?.afterUpdate();
        this.#lossScale?.succeeded();
      }
      remembered.keep();
      return { ...result, skipped };
    } finally {
      draws.end();
      remembered.end();
      this.#gradients.clear();
      clock?.enter(undefined);
    }
  }

  /** @returns the scaled loss */
  *#inTurn(work: readonly MicroBatchWork[], draws: StepDraws): globalThis.Generator<undefined, number> {
    let scaledLoss = 0;
    for (const [index, one] of work.entries()) {
      draws.begin(one.number);
      this.#shared?.beginMicroBatch(index === work.length - 1);
      const loss = this.#accumulate(one);
      if (one.isCounted) scaledLoss += loss;
      yield undefined;
    }
    return scaledLoss;
  }

  /** Adds the gradients of a micro-batch. @returns its part of the loss, scaled */
  #accumulate({ batch, lossOf, routing }: MicroBatchWork): number {
    this.#options.clock?.enter('forward');
    return scope(() => {
      const prepared = batch.prepare(this.#model, (input) => this.#output(input));
      const options = { ...this.#gradientOptions, ...routing };
      return accumulateLossGradients(
        this.#model,
        prepared,
        (output) => lossOf(prepared.sums(output)),
        this.#gradients,
        options,
      );
    });
  }

  /** undefined: another rank has the end of the model. */
  #output(input: ModelInput): Tensor | undefined {
    const { steps } = this.#gradientOptions;
    const pipeline = this.#shared?.pipeline;
    if (pipeline === undefined) return modelOutput(this.#model, input, steps);
    return pipelineOutput(this.#model, input, pipeline, { steps });
  }

  /** The sums of the loss over rows that are only measured; nothing where another rank has the end of the model. */
  measure(rows: readonly Row[]): MeasuredRows {
    const batch = this.#objective.arrange(rows);
    return scope(() =>
      noGrad(() => {
        const prepared = batch.prepare(this.#model, (input) => this.#output(input));
        const output = this.#output(prepared);
        if (output === undefined) return NOTHING_MEASURED;
        const { perToken, perRecord, metrics } = prepared.sums(output);
        return {
          perToken: perToken?.item(),
          perRecord: perRecord?.item(),
          divisors: batch.divisors,
          metrics,
        };
      }),
    );
  }

  /** A smaller loss scale is the usual way out of an overflow; other steps are skipped only on request. */
  #refuseOrSkip(loss: number, gradNorm: number): void {
    if (this.#lossScale?.overflowed() === true || this.#settings.non_finite === 'skip') return;
    throw new NonFiniteError(
      `training: loss ${loss}, gradient norm ${gradNorm}: the step is not finite; lower the learning rate or ` +
        'look at the rows of this step.',
    );
  }

  /** Has any update so far had a learning rate above 0? */
  get hasLearned(): boolean {
    for (let step = 0; step < this.#optimizer.steps; step++)
      if (learningRateAt(step, this.#schedule) > 0) return true;
    return false;
  }

  state(): TrainerState {
    const { step, tensors, paths } = this.#optimizer.state();
    const places = new Map<string, PiecePlace>();
    for (const [name, path] of this.#shared === undefined ? [] : paths) places.set(name, this.#placeOf(path));
    return { optimizerSteps: step, tensors, places, lossScale: this.#lossScale?.state() };
  }

  #placeOf(path: string): PiecePlace {
    const shared = this.#shared;
    if (shared === undefined) {
      const { shape = [], numElements = 0 } = this.#parameters.get(path) ?? {};
      return { ranges: [{ start: 0, length: numElements }], shape, isOwn: true };
    }
    return {
      ranges: shared.rangesOf(path),
      shape: shared.wholeShape(path),
      isOwn: shared.ownPart(path) !== undefined,
    };
  }

  /** This rank's elements of a trained parameter, and where they are in it; every element is one rank's. Freed by nobody. */
  ownPart(path: string): PiecePlace & { readonly values: Tensor | undefined } {
    const values = this.#shared === undefined ? this.#parameters.get(path) : this.#shared.ownPart(path);
    return { ...this.#placeOf(path), values };
  }

  /** Of the whole parameter, of which this rank may have a part. */
  wholeShape(path: string): readonly number[] {
    return this.#placeOf(path).shape;
  }

  /** New values of a parameter that is trained, or of one index of its first dimension. @param start the first of them, row by row */
  writeParameter(path: string, values: Tensor, start = 0): void {
    const parameter = this.#parameters.get(path);
    if (this.#shared !== undefined) this.#shared.writeParameter(path, values, start);
    else if (parameter !== undefined) writeElements(parameter, values, start);
  }

  /** Runs something that reads the whole model, all ranks together. */
  withWholeModel<Result>(body: () => Result): Result {
    return this.#shared === undefined ? body() : this.#shared.withWholeModel(body);
  }

  async whileWholeModel<Result>(body: () => Promise<Result>): Promise<Result> {
    return this.#shared === undefined ? await body() : await this.#shared.whileWholeModel(body);
  }

  /** @param read gives the saved tensor of a name, undefined if there is none */
  restore(
    { optimizerSteps, lossScale }: Pick<TrainerState, 'optimizerSteps' | 'lossScale'>,
    read: (name: string) => Tensor | undefined,
  ): void {
    this.#optimizer.restore(optimizerSteps, (name, { path, parameter }) => {
      const saved = read(name);
      if (saved === undefined) return undefined;
      return (this.#shared?.partOf(path, saved) ?? saved).reshape(parameter.shape);
    });
    if (lossScale !== undefined) this.#lossScale?.restore(lossScale);
  }

  /** @param isThrough false: after a failure; the model is of no more use where ranks share it. Default true */
  dispose(isThrough = true): void {
    this.#gradients.clear();
    this.#optimizer.dispose();
    this.#shared?.dispose(isThrough);
    returnFreedMemory();
  }
}

const NOTHING_MEASURED: MeasuredRows = {
  perToken: undefined,
  perRecord: undefined,
  divisors: { tokens: 0, records: 0 },
  metrics: undefined,
};

/** By default matrices alone are decayed. */
function isDecayed(
  name: string,
  parameter: Tensor,
  { no_weight_decay: excluded }: TrainingSettings,
): boolean {
  if (excluded === undefined) return parameter.numDims >= 2;
  return !excluded.some((part) => name.includes(part));
}
