/**
 * One optimiser step after another on a model in memory: micro-batches, loss scale, clipping, learning rate, update. Files,
 * rows and checkpoints are the business of src/training/run/.
 */

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
  tensorFromBytes,
} from '../../tensor/index.js';
import { AdamW } from './adamw.js';
import { BoundaryOffload } from './boundary-offload.js';
import { GradientStore } from './gradient-store.js';
import { LossScale, type LossScaleState } from './loss-scale.js';
import { learnedWeight, lossDivisor, trainingBatch } from './loss-weights.js';
import type { PhaseClock } from './phase-clock.js';
import { learningRateAt, type Schedule, scheduleOf } from './schedule.js';
import { accumulateGradients, batchLoss, type GradientOptions, type TrainingBatch } from './segments.js';
import type { TrainingSettings } from './training-settings.js';

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
  /** Draws what the forward pass leaves to chance (dropout). */
  readonly generator?: RandomGenerator | undefined;
  readonly clock?: PhaseClock | undefined;
}

export interface StepResult {
  /** Mean over all learned tokens of the step. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
  /** Tokens read, padding apart. */
  readonly tokens: number;
  /** Tokens learned. */
  readonly learnedTokens: number;
  /** The parameters were left as they were: loss or gradients were not finite. */
  readonly skipped: boolean;
  /** The factor under which the step was computed; undefined where the loss is not scaled. */
  readonly lossScale: number | undefined;
}

/** What a resumed run needs beside the parameters. The tensors stay the trainer's. */
export interface TrainerState {
  readonly optimizerSteps: number;
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly lossScale: LossScaleState | undefined;
}

export class Trainer {
  readonly #model: CausalLm;
  readonly #settings: TrainingSettings;
  readonly #options: TrainerOptions;
  readonly #schedule: Schedule;
  readonly #gradientOptions: GradientOptions;
  readonly #gradients: GradientStore;
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
    this.#settings = settings;
    this.#options = options;
    this.#schedule = scheduleOf(settings, options.totalSteps);
    this.#gradientOptions = {
      recompute,
      generator,
      clock,
      steps: offload.boundaries ? [new BoundaryOffload(model.device)] : [],
    };
    keepFreedMemory();
    for (const [, parameter] of model.namedParameters()) parameter.setRequiresGrad(false);
    this.#gradients = new GradientStore(parameters, settings.gradient_accumulation_steps > 1);
    this.#optimizer = new AdamW(
      [...parameters].map(([path, parameter]) => {
        const name = publishedName(path);
        return {
          path,
          name,
          parameter,
          weightDecay: isDecayed(name, parameter, settings) ? settings.weight_decay : 0,
          learningRateFactor: learningRateFactors?.get(path) ?? 1,
        };
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
  step(microBatches: readonly (readonly Row[])[]): StepResult {
    const parts = this.microSteps(microBatches);
    for (;;) {
      const { done, value } = parts.next();
      if (done === true) return value;
    }
  }

  /** The same with a pause after each micro-batch. Left in a pause, nothing has happened. */
  *microSteps(microBatches: readonly (readonly Row[])[]): globalThis.Generator<undefined, StepResult> {
    const { clock } = this.#options;
    const learningRate = learningRateAt(this.#optimizer.steps, this.#schedule);
    clock?.enter('data');
    const batches = microBatches.map((rows) => this.#arrange(rows));
    const divisor = batches.reduce((sum, batch) => sum + batch.divisor, 0);
    if (!batches.some(({ learned }) => learned > 0))
      throw new InputError('training: the batch has no token to learn; check the loss masks.');
    const scale = this.#lossScale?.value ?? 1;
    try {
      let scaledLoss = 0;
      for (const batch of batches) {
        scaledLoss += scope(() =>
          accumulateGradients(
            this.#model,
            this.#toTensors(batch),
            scale / divisor,
            this.#gradients,
            this.#gradientOptions,
          ),
        );
        yield undefined;
      }
      clock?.enter('optimizer');
      const loss = scaledLoss / scale;
      const gradNorm = scope(() => this.#gradients.norm()) / scale;
      const result = {
        loss,
        gradNorm,
        learningRate,
        tokens: microBatches.flat().reduce((sum, { ids }) => sum + ids.length, 0),
        learnedTokens: Math.round(divisor),
        lossScale: this.#lossScale?.value,
      };
      const skipped = !(Number.isFinite(loss) && Number.isFinite(gradNorm));
      if (skipped) this.#refuseOrSkip(loss, gradNorm);
      else {
        const clipping = Math.min(1, this.#settings.max_grad_norm / (gradNorm + 1e-6));
        scope(() => this.#optimizer.step(this.#gradients, learningRate, clipping / scale));
        this.#lossScale?.succeeded();
      }
      return { ...result, skipped };
    } finally {
      this.#gradients.clear();
      clock?.enter(undefined);
    }
  }

  /** Sum of the weighted losses and of the weights over rows that are only measured. */
  measure(rows: readonly Row[]): { readonly lossSum: number; readonly learnedTokens: number } {
    const batch = this.#arrange(rows);
    const lossSum = scope(() => noGrad(() => batchLoss(this.#model, this.#toTensors(batch))));
    return { lossSum, learnedTokens: batch.divisor };
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
    const { step, tensors } = this.#optimizer.state();
    return { optimizerSteps: step, tensors, lossScale: this.#lossScale?.state() };
  }

  /** @param read gives the saved tensor of a name, undefined if there is none */
  restore(
    { optimizerSteps, lossScale }: Omit<TrainerState, 'tensors'>,
    read: (name: string) => Tensor | undefined,
  ): void {
    this.#optimizer.restore(optimizerSteps, read);
    if (lossScale !== undefined) this.#lossScale?.restore(lossScale);
  }

  dispose(): void {
    this.#gradients.clear();
    this.#optimizer.dispose();
    returnFreedMemory();
  }

  #arrange(rows: readonly Row[]): ArrangedBatch {
    const { padTokenId } = this.#options;
    const { loss_alignment: lossAlignment } = this.#settings;
    const length = Math.max(...rows.map(({ ids }) => ids.length));
    const ids = new Int32Array(rows.length * length).fill(padTokenId);
    const mask = new Float32Array(rows.length * length);
    for (const [index, row] of rows.entries()) {
      ids.set(row.ids, index * length);
      mask.set(row.lossMask, index * length);
    }
    const documents =
      this.#options.documentAttention === true ? rows.map((row) => documentsOf(row, length)) : undefined;
    // The first token of a text is not predicted from the text before it.
    const offset = lossAlignment === 'target' ? 0 : -1;
    for (const [index, starts] of documents?.map(startsOf).entries() ?? [])
      for (const start of starts) mask[index * length + start + offset] = 0;
    const shape: [number, number] = [rows.length, length];
    const learned = learnedWeight(mask, shape, lossAlignment);
    const divisor = lossDivisor(learned, lossAlignment);
    return { ids, mask, shape, learned, divisor, documents: documents?.map(withoutLast) };
  }

  #toTensors({ ids, mask, shape, documents }: ArrangedBatch): TrainingBatch {
    const { device, computeDType } = this.#model;
    const batch = trainingBatch(
      tensorFromBytes(ids, shape, 'int32').to('int64').toDevice(device),
      tensorFromBytes(mask, shape, 'float32')
        .to(computeDType === 'float64' ? 'float64' : 'float32')
        .toDevice(device),
      this.#settings.loss_alignment,
    );
    return { ...batch, documents };
  }
}

/** By default matrices alone are decayed. */
function isDecayed(
  name: string,
  parameter: Tensor,
  { no_weight_decay: excluded }: TrainingSettings,
): boolean {
  if (excluded === undefined) return parameter.numDims >= 2;
  return !excluded.some((part) => name.includes(part));
}

/** A micro-batch in plain arrays. Shapes: B rows, L ids in the longest. */
interface ArrangedBatch {
  readonly ids: Int32Array; // [B, L]
  readonly mask: Float32Array; // [B, L]
  readonly shape: [number, number];
  /** Sum of the weights of its predictions. */
  readonly learned: number;
  /** What its summed loss is divided by. */
  readonly divisor: number;
  readonly documents: number[][] | undefined;
}

/** Lengths of the texts of a row that is filled up to `length`; the padding is a text of its own. */
function documentsOf({ ids, documents = [ids.length] }: Row, length: number): number[] {
  return ids.length < length ? [...documents, length - ids.length] : [...documents];
}

/** Where all texts but the first begin. */
function startsOf(lengths: readonly number[]): number[] {
  let start = 0;
  return lengths.slice(0, -1).map((length) => {
    start += length;
    return start;
  });
}

/** The last token of a row is only a target. */
function withoutLast(lengths: readonly number[]): number[] {
  const last = lengths.at(-1) ?? 0;
  return last > 1 ? [...lengths.slice(0, -1), last - 1] : lengths.slice(0, -1);
}
