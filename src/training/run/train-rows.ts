/** The loop over the steps: rows in order, metrics, evaluation, checkpoints, signals, the loss plot. */
import { appendFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Row, RowOrder, type RowSource } from '../../data/index.js';
import { InterruptedError, messageOf, NonFiniteError } from '../../errors/index.js';
import { writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import type { LoraLinear } from '../../lora/index.js';
import { blameWeights, type LoadedModel } from '../../models/index.js';
import { Generator, type Tensor } from '../../tensor/index.js';
import { renderLossSvg } from '../plots/loss-svg.js';
import { PhaseClock } from '../step/phase-clock.js';
import { learningRateAt, type Schedule } from '../step/schedule.js';
import type { StepResult, Trainer } from '../step/trainer.js';
import type { EvaluationRecord, RunObserver, StepRecord } from '../watch/observer.js';
import { createTrainer, scheduleOf, trainedParameters } from './configured-trainer.js';
import type { TrainConfig } from './run-config.js';
import { RUN_START, type RunProgress } from './run-state.js';
import { SignalWatch } from './signal-watch.js';

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

export interface TrainingResult {
  readonly losses: readonly LossPoint[];
  readonly evaluations: readonly EvaluationRecord[];
  readonly seconds: number;
  /** Tokens read, padding apart. */
  readonly tokens: number;
  /** Steps that were left out because they were not finite. */
  readonly skippedSteps: number;
  readonly progress: RunProgress;
}

type TrainingConfig = TrainConfig['training'];

export interface TrainRowsOptions {
  readonly training: TrainingConfig;
  /** Existing folder for loss.svg and bad-rows.jsonl. */
  readonly output: string;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Read each text of a packed row on its own. */
  readonly documentAttention: boolean;
  /** Shown in the progress line. */
  readonly label: string;
  /** Trained instead of the weights. */
  readonly adapters?: ReadonlyMap<string, LoraLinear> | undefined;
  /** Learning rate of a parameter, by own path, as a multiple of the schedule's. Default 1. */
  readonly learningRateFactors?: ReadonlyMap<string, number> | undefined;
  readonly observers?: readonly RunObserver[];
  readonly evaluation?:
    | { readonly rows: RowSource; readonly every: number; readonly maxRows?: number | undefined }
    | undefined;
  readonly checkpoints?: RunCheckpoints | undefined;
  /** Arithmetic of one token in the forward and backward pass, and the device's peak, for the utilisation. */
  readonly flops?: { readonly perToken: number; readonly peakPerSecond: number } | undefined;
  /** Called after each evaluation. */
  readonly onEvaluation?: (record: EvaluationRecord) => void;
}

/** What the loop asks of the keeper of its checkpoints. */
export interface RunCheckpoints {
  /** Steps between checkpoints; 0: only when a signal ends the run. */
  readonly every: number;
  save(progress: RunProgress, parts: RunParts, reason: 'due' | 'best' | 'interrupted'): Promise<void>;
  /** Puts back the state of a checkpoint: the one to resume from, or the newest. undefined: there is none. */
  restore(parts: RunParts, which: 'start' | 'newest'): Promise<RunProgress | undefined>;
}

export interface RunParts {
  readonly trainer: Trainer;
  readonly dropout: Generator;
  /** What is trained, by published name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly totalSteps: number;
  readonly rowsPerStep: number;
}

/**
 * Trains a model in memory on rows that are read as they are needed.
 * @throws InterruptedError after SIGINT, SIGTERM or SIGUSR1, the checkpoint being written; NonFiniteError for a step that
 *   is not finite, where such steps end the run
 */
export async function trainRows(
  loaded: LoadedModel,
  rows: RowSource,
  options: TrainRowsOptions,
): Promise<TrainingResult> {
  const run = new Run(loaded, rows, options);
  try {
    return await run.train();
  } finally {
    await run.dispose();
  }
}

class Run {
  readonly #loaded: LoadedModel;
  readonly #rows: RowSource;
  readonly #options: TrainRowsOptions;
  readonly #parts: RunParts;
  readonly #schedule: Schedule;
  readonly #order: RowOrder;
  readonly #clock = new PhaseClock();
  readonly #signals: SignalWatch;
  readonly #started = performance.now();
  readonly #losses: LossPoint[] = [];
  readonly #evaluations: EvaluationRecord[] = [];
  #progress: RunProgress = RUN_START;
  #skippedSteps = 0;
  #peakMemory = 0;

  constructor(loaded: LoadedModel, rows: RowSource, options: TrainRowsOptions) {
    this.#loaded = loaded;
    this.#rows = rows;
    this.#options = options;
    const { training, label, seed } = options;
    const rowsPerStep = training.micro_batch_size * training.gradient_accumulation_steps;
    const totalSteps =
      training.steps ?? Math.max(1, Math.ceil(((training.epochs ?? 1) * rows.rowCount) / rowsPerStep));
    this.#schedule = scheduleOf(training, totalSteps);
    this.#order = new RowOrder(rows.rowCount, { ...options, phases: rows.phases });
    const dropout = new Generator(seed, loaded.model.device);
    const parameters = trainedParameters(loaded, options, dropout);
    const trainer = createTrainer(loaded, parameters, options, dropout, this.#clock);
    this.#parts = { trainer, dropout, parameters, totalSteps, rowsPerStep };
    log(`${label}: ${rows.rowCount} rows, ${totalSteps} steps of ${rowsPerStep} rows`);
    this.#signals = new SignalWatch(label);
  }

  async train(): Promise<TrainingResult> {
    const { evaluation, checkpoints } = this.#options;
    const { totalSteps } = this.#parts;
    const resumed = await checkpoints?.restore(this.#parts, 'start');
    if (resumed !== undefined) this.#progress = resumed;
    // A signal may have ended the run in the middle of an evaluation.
    const { step: start, evaluatedStep } = this.#progress;
    if (evaluation !== undefined && start > 0 && start % evaluation.every === 0 && evaluatedStep !== start)
      await this.#evaluate();
    while (this.#progress.step < totalSteps) {
      await this.#takeStep();
      const { step } = this.#progress;
      const isLast = step >= totalSteps;
      if (evaluation !== undefined && (isLast || step % evaluation.every === 0)) await this.#evaluate();
      await setImmediate();
      // The final model is written next, interrupted or not.
      if (isLast) break;
      const isDue = checkpoints !== undefined && checkpoints.every > 0 && step % checkpoints.every === 0;
      if (isDue) await this.#save('due');
      await this.#endIfAsked();
    }
    const { tokens } = this.#progress;
    return {
      losses: this.#losses,
      evaluations: this.#evaluations,
      tokens,
      seconds: (performance.now() - this.#started) / 1000,
      skippedSteps: this.#skippedSteps,
      progress: this.#progress,
    };
  }

  async #takeStep(): Promise<void> {
    const { training } = this.#options;
    const { trainer, rowsPerStep } = this.#parts;
    const { step } = this.#progress;
    const started = performance.now();
    const learningRate = learningRateAt(step, this.#schedule);
    this.#clock.enter('data');
    const places = Array.from({ length: rowsPerStep }, (_, index) =>
      this.#order.rowAt(this.#progress.rows + index),
    );
    const microBatches = inGroups(
      places.map((place) => this.#rows.row(place)),
      training.micro_batch_size,
    );
    const parts = trainer.microSteps(microBatches, learningRate);
    let result: StepResult;
    try {
      result = await this.#runParts(parts);
    } catch (error) {
      if (!(error instanceof NonFiniteError)) throw error;
      await this.#refuseOrRollBack(error, places);
      return;
    }
    this.#progress = {
      ...this.#progress,
      step: step + 1,
      tokens: this.#progress.tokens + result.tokens,
      rows: this.#progress.rows + rowsPerStep,
    };
    if (result.skipped) this.#noteSkipped(result, places);
    this.#report(result, learningRate, (performance.now() - started) / 1000);
  }

  /** The micro-batches of a step; a signal in between gives the step up. */
  async #runParts(parts: globalThis.Generator<undefined, StepResult>): Promise<StepResult> {
    for (;;) {
      const next = parts.next();
      if (next.done === true) return next.value;
      await setImmediate();
      if (this.#signals.received === undefined) continue;
      parts.return(neverUsed());
      await this.#endIfAsked();
    }
  }

  async #endIfAsked(): Promise<void> {
    const { received } = this.#signals;
    if (received === undefined) return;
    const { label, checkpoints } = this.#options;
    const { step } = this.#progress;
    if (checkpoints !== undefined) await this.#save('interrupted');
    const saved = checkpoints === undefined ? '' : '; a checkpoint is written, go on with --resume';
    throw new InterruptedError(
      `${label}: stopped by ${received} after step ${step} of ${this.#parts.totalSteps}${saved}`,
      { isHandedOver: checkpoints !== undefined && received !== 'SIGINT' },
    );
  }

  async #save(reason: 'due' | 'best' | 'interrupted'): Promise<void> {
    this.#clock.enter('save');
    await this.#options.checkpoints?.save(this.#progress, this.#parts, reason);
    this.#clock.enter(undefined);
  }

  async #evaluate(): Promise<void> {
    const { evaluation, training, observers = [], onEvaluation } = this.#options;
    if (evaluation === undefined) return;
    const { rows, maxRows = rows.rowCount } = evaluation;
    const started = performance.now();
    this.#clock.enter('evaluation');
    let lossSum = 0;
    let tokens = 0;
    const count = Math.min(rows.rowCount, maxRows);
    for (let start = 0; start < count; start += training.micro_batch_size) {
      const size = Math.min(training.micro_batch_size, count - start);
      const batch = Array.from({ length: size }, (_, index) => rows.row(start + index));
      const measured = this.#withoutDropout(() => this.#parts.trainer.measure(batch));
      lossSum += measured.lossSum;
      tokens += measured.learnedTokens;
      await setImmediate();
      // The state of the last step is whole: it is saved, and the evaluation is made again after resuming.
      await this.#endIfAsked();
    }
    this.#clock.enter(undefined);
    const loss = lossSum / tokens;
    const { step, best } = this.#progress;
    const isBest = best === undefined || loss < best.loss;
    this.#progress = { ...this.#progress, evaluatedStep: step, best: isBest ? { step, loss } : best };
    const seconds = (performance.now() - started) / 1000;
    const record = { step, loss, perplexity: Math.exp(loss), tokens, seconds, isBest };
    this.#evaluations.push(record);
    for (const observer of observers) observer.evaluation?.(record);
    this.#withoutDropout(() => onEvaluation?.(record));
    if (isBest) await this.#save('best');
  }

  /** Held-out rows and samples are the model as it will be used. */
  #withoutDropout<T>(body: () => T): T {
    const layers = [...(this.#options.adapters?.values() ?? [])];
    for (const layer of layers) layer.dropoutGenerator = undefined;
    try {
      return body();
    } finally {
      for (const layer of layers) layer.dropoutGenerator = this.#parts.dropout;
    }
  }

  #noteSkipped({ loss, gradNorm, lossScale }: StepResult, places: readonly number[]): void {
    this.#skippedSteps += 1;
    // An overflow under a dynamic loss scale is how the scale is found.
    if (lossScale !== undefined && this.#options.training.non_finite !== 'skip') return;
    this.#dumpRows('skipped', `loss ${loss}, gradient norm ${gradNorm}`, places);
  }

  async #refuseOrRollBack(error: NonFiniteError, places: readonly number[]): Promise<void> {
    const { training, checkpoints } = this.#options;
    const { step, rows } = this.#progress;
    this.#dumpRows(training.non_finite, error.message, places);
    if (training.non_finite !== 'rollback')
      blameWeights(this.#loaded, this.#options.label, () => {
        throw error;
      });
    const restored = await checkpoints?.restore(this.#parts, 'newest');
    if (restored === undefined)
      throw new NonFiniteError(`${error.message} There is no checkpoint to go back to yet.`);
    log(
      `step ${step + 1} was not finite: back to the checkpoint of step ${restored.step}; the data goes on behind the rows ` +
        'of that step',
    );
    this.#progress = { ...restored, rows: rows + this.#parts.rowsPerStep };
  }

  #dumpRows(policy: string, problem: string, places: readonly number[]): void {
    const { step } = this.#progress;
    const line = { step: step + (policy === 'skipped' ? 0 : 1), policy, problem, rows: places };
    log(`${problem} (${policy}); the rows of the step: ${places.slice(0, 8).join(', ')} (bad-rows.jsonl)`);
    try {
      appendFileSync(join(this.#options.output, 'bad-rows.jsonl'), `${JSON.stringify(line)}\n`);
    } catch (error) {
      log(`warning: bad-rows.jsonl could not be written: ${messageOf(error)}`);
    }
  }

  #report(result: StepResult, learningRate: number, seconds: number): void {
    const { observers = [], flops } = this.#options;
    const { step, tokens, rows } = this.#progress;
    const tokensPerSecond = result.tokens / seconds;
    const memoryBytes = process.memoryUsage.rss();
    this.#peakMemory = Math.max(this.#peakMemory, memoryBytes);
    this.#losses.push({ step, loss: result.loss });
    const record: StepRecord = {
      step,
      totalSteps: this.#parts.totalSteps,
      loss: result.loss,
      gradNorm: result.gradNorm,
      learningRate,
      tokens,
      learnedTokens: result.learnedTokens,
      rows,
      tokensPerSecond,
      modelFlopsUtilisation:
        flops === undefined ? undefined : (flops.perToken * tokensPerSecond) / flops.peakPerSecond,
      memoryBytes,
      peakMemoryBytes: this.#peakMemory,
      phaseSeconds: this.#clock.take(),
      elapsedSeconds: (performance.now() - this.#started) / 1000,
      lossScale: result.lossScale,
      skipped: result.skipped,
    };
    for (const observer of observers) observer.step(record);
  }

  async dispose(): Promise<void> {
    const { adapters, label, output, observers = [] } = this.#options;
    this.#signals.dispose();
    this.#parts.trainer.dispose();
    this.#parts.dropout.dispose();
    for (const layer of adapters?.values() ?? []) layer.dropoutGenerator = undefined;
    for (const [, parameter] of this.#loaded.model.namedParameters()) parameter.setRequiresGrad(false);
    for (const observer of observers) await observer.close();
    const last = this.#losses.at(-1);
    if (last === undefined) return;
    const series = [{ name: label, points: this.#losses }];
    const measured = this.#evaluations.map(({ step, loss }) => ({ step, loss }));
    if (measured.length > 0) series.push({ name: 'held out', points: measured });
    const svg = renderLossSvg(series, { title: basename(output) });
    try {
      writeFileAtomic(join(output, 'loss.svg'), svg);
    } catch (error) {
      log(`warning: loss.svg could not be written: ${messageOf(error)}`);
    }
  }
}

/** The value of a step that was given up; its caller throws before it is looked at. */
function neverUsed(): StepResult {
  return {
    loss: Number.NaN,
    gradNorm: Number.NaN,
    tokens: 0,
    learnedTokens: 0,
    skipped: true,
    lossScale: undefined,
  };
}

function inGroups(rows: readonly Row[], size: number): Row[][] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, group) =>
    rows.slice(group * size, (group + 1) * size),
  );
}
