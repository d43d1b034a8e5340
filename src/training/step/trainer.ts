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
} from '../../tensor/index.js';
import { crossEntropy } from '../objective/cross-entropy.js';
import {
  type LossDivisors,
  type LossSums,
  MetricMeans,
  type MetricSum,
  type Objective,
  type ObjectiveBatch,
  stepLoss,
} from '../objective/objective.js';
import { AdamW } from './adamw.js';
import { BoundaryOffload } from './boundary-offload.js';
import { GradientStore } from './gradient-store.js';
import { LossScale, type LossScaleState } from './loss-scale.js';
import type { PhaseClock } from './phase-clock.js';
import { rememberDraws } from './remember-draws.js';
import type { RoutingStatistics } from './routing-balance.js';
import { learningRateAt, type Schedule, scheduleOf } from './schedule.js';
import { accumulateLossGradients, type GradientOptions, modelOutput } from './segments.js';
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
  /** What is learned by. Default: cross-entropy over the loss masks. */
  readonly objective?: Objective | undefined;
  /** Draws what the forward pass leaves to chance (dropout, noise on the embedding). */
  readonly generator?: RandomGenerator | undefined;
  readonly clock?: PhaseClock | undefined;
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
  readonly lossScale: LossScaleState | undefined;
}

export class Trainer {
  readonly #model: CausalLm;
  readonly #settings: TrainingSettings;
  readonly #options: TrainerOptions;
  readonly #schedule: Schedule;
  readonly #objective: Objective;
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
    this.#objective =
      options.objective ??
      crossEntropy({
        padTokenId: options.padTokenId,
        documentAttention: options.documentAttention,
        lossAlignment: settings.loss_alignment,
      });
    this.#gradientOptions = {
      recompute,
      embeddingNoise: settings.neftune_noise_alpha,
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

  /** The same with a pause after each micro-batch. Left in a pause, nothing has happened: nothing was drawn either. */
  *microSteps(microBatches: readonly (readonly Row[])[]): globalThis.Generator<undefined, StepResult> {
    const { clock, generator } = this.#options;
    const learningRate = learningRateAt(this.#optimizer.steps, this.#schedule);
    clock?.enter('data');
    const batches = microBatches.map((rows) => this.#objective.arrange(rows));
    const divisors = {
      tokens: batches.reduce((sum, batch) => sum + batch.divisors.tokens, 0),
      records: batches.reduce((sum, batch) => sum + batch.divisors.records, 0),
    };
    const metrics = new MetricMeans();
    if (!batches.some(({ learned }) => learned > 0))
      throw new InputError('training: the batch has no token to learn; check the loss masks.');
    const scale = this.#lossScale?.value ?? 1;
    const draws = rememberDraws(generator);
    try {
      let scaledLoss = 0;
      const tokenCounts = microBatches.map((rows) => rows.reduce((sum, { ids }) => sum + ids.length, 0));
      const tokens = tokenCounts.reduce((sum, count) => sum + count, 0);
      for (const [index, batch] of batches.entries()) {
        const share = (tokenCounts[index] ?? 0) / tokens;
        scaledLoss += this.#accumulate(batch, metrics, (sums) => stepLoss(sums, divisors, scale), {
          balanceWeight: share * scale,
          reportRouting: (statistics) => metrics.add(routingMetrics(statistics, tokenCounts[index] ?? 0)),
        });
        yield undefined;
      }
      clock?.enter('optimizer');
      const loss = scaledLoss / scale;
      const gradNorm = scope(() => this.#gradients.norm()) / scale;
      const result = {
        loss,
        gradNorm,
        learningRate,
        tokens,
        learnedTokens: Math.round(divisors.tokens),
        metrics: metrics.means(),
        lossScale: this.#lossScale?.value,
      };
      const skipped = !(Number.isFinite(loss) && Number.isFinite(gradNorm));
      if (skipped) this.#refuseOrSkip(loss, gradNorm);
      else {
        const clipping = Math.min(1, this.#settings.max_grad_norm / (gradNorm + 1e-6));
        scope(() => this.#optimizer.step(this.#gradients, learningRate, clipping / scale));
        this.#lossScale?.succeeded();
      }
      draws.keep();
      return { ...result, skipped };
    } finally {
      draws.end();
      this.#gradients.clear();
      clock?.enter(undefined);
    }
  }

  /** Adds the gradients of a micro-batch. @returns its part of the loss, scaled */
  #accumulate(
    batch: ObjectiveBatch,
    metrics: MetricMeans,
    lossOf: (sums: LossSums) => Tensor,
    routing: Pick<GradientOptions, 'balanceWeight' | 'reportRouting'>,
  ): number {
    this.#options.clock?.enter('forward');
    return scope(() => {
      const prepared = batch.prepare(this.#model);
      return accumulateLossGradients(
        this.#model,
        prepared,
        (output) => {
          const sums = prepared.sums(output);
          metrics.add(sums.metrics);
          return lossOf(sums);
        },
        this.#gradients,
        { ...this.#gradientOptions, ...routing },
      );
    });
  }

  /** The sums of the loss over rows that are only measured. */
  measure(rows: readonly Row[]): MeasuredRows {
    const batch = this.#objective.arrange(rows);
    return scope(() =>
      noGrad(() => {
        const prepared = batch.prepare(this.#model);
        const { perToken, perRecord, metrics } = prepared.sums(modelOutput(this.#model, prepared));
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
}

/** Means over the tokens of a step. */
function routingMetrics({ balanceLoss, unused, busiest }: RoutingStatistics, tokens: number): MetricSum[] {
  const mean = (name: string, value: number): MetricSum => ({ name, sum: value * tokens, count: tokens });
  return [
    mean('router/aux_loss', balanceLoss),
    mean('router/unused_experts', unused),
    mean('router/busiest_expert', busiest),
  ];
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
