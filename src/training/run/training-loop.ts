/** The loop over the steps: rows in order, metrics, evaluation, checkpoints, signals. */
import { setImmediate } from 'node:timers/promises';
import { type Row, RowLoader, type RowSource } from '../../data/index.js';
import { heartbeat } from '../../distributed/index.js';
import { InterruptedError, NonFiniteError, NothingLearnedError } from '../../errors/index.js';
import { log } from '../../log/index.js';
import { type LoadedModel, reportNonFiniteWeights } from '../../models/index.js';
import { PhaseClock } from '../step/phase-clock.js';
import { WAIT } from '../step/pipeline-step.js';
import type { StepResult } from '../step/trainer.js';
import type { EvaluationRecord, StepRecord } from '../watch/observer.js';
import { noteBadRows } from './bad-rows.js';
import { flopsUtilisation } from './flops-utilisation.js';
import { measureHeldOut } from './held-out.js';
import { type LossPoint, writeLossPicture } from './loss-picture.js';
import { measureTasks } from './measure-tasks.js';
import { createRunParts, type RunParts } from './run-parts.js';
import { RUN_START, type RunProgress } from './run-state.js';
import { SignalWatch } from './signal-watch.js';
import type { SaveReason, TrainingLoopOptions, TrainingResult } from './train-rows-options.js';

/**
 * Trains a model in memory on rows that are read as they are needed.
 * @throws InterruptedError after SIGINT, SIGTERM or SIGUSR1, the checkpoint being written; NonFiniteError for a step that
 *   is not finite, where such steps end the run
 */
export async function runTrainingLoop(
  loaded: LoadedModel,
  rows: RowSource,
  options: TrainingLoopOptions,
): Promise<TrainingResult> {
  const loop = new TrainingLoop(loaded, rows, options);
  let isThrough = false;
  try {
    const result = await loop.train();
    isThrough = true;
    return result;
  } finally {
    await loop.dispose(isThrough);
  }
}

class TrainingLoop {
  readonly #loaded: LoadedModel;
  readonly #options: TrainingLoopOptions;
  readonly #parts: RunParts;
  readonly #rows: RowSource;
  readonly #loader: RowLoader;
  // Between two phases a rank goes on by itself: only one that is told so waits for work.
  readonly #clock = new PhaseClock((phase = 'the next step') =>
    // Of stages that wait for one another, the one that computes is to blame if nothing goes on.
    heartbeat({ step: this.#progress.step, phase: phase === WAIT ? undefined : phase }),
  );
  readonly #signals: SignalWatch;
  readonly #started = performance.now();
  readonly #losses: LossPoint[] = [];
  readonly #evaluations: EvaluationRecord[] = [];
  #progress: RunProgress = RUN_START;
  #skippedSteps = 0;
  #peakMemory = 0;

  constructor(loaded: LoadedModel, rows: RowSource, options: TrainingLoopOptions) {
    this.#loaded = loaded;
    this.#options = options;
    const { label, seed, shuffle, training } = options;
    const isCounted = training.steps !== undefined;
    const { rank = 0, size = 1 } = options.ranks?.data ?? {};
    this.#rows = rows;
    this.#loader = new RowLoader(rows, {
      seed,
      shuffle,
      endsWithEpoch: !isCounted,
      rank,
      ranks: size,
      together: training.micro_batch_size,
    });
    this.#parts = createRunParts(loaded, rows.rowCount, options, this.#clock);
    const { totalSteps, rowsPerStep } = this.#parts;
    const left = rows.rowCount % rowsPerStep;
    const smaller = isCounted || left === 0 ? '' : ` (the last of an epoch: ${left})`;
    log(`${label}: ${rows.rowCount} rows, ${totalSteps} steps of ${rowsPerStep} rows${smaller}`);
    this.#signals = new SignalWatch(label);
  }

  async train(): Promise<TrainingResult> {
    const { evaluation, checkpoints, tasks } = this.#options;
    const { totalSteps } = this.#parts;
    const resumed = await checkpoints?.restore(this.#parts, 'start');
    if (resumed !== undefined) this.#goTo(resumed);
    // A signal may have ended the run in the middle of an evaluation.
    const { step: start, evaluatedStep, tasksStep } = this.#progress;
    if (tasks !== undefined && start % tasks.every === 0 && tasksStep !== start) await this.#measureTasks();
    if (evaluation !== undefined && start > 0 && start % evaluation.every === 0 && evaluatedStep !== start)
      await this.#evaluate();
    while (this.#progress.step < totalSteps) {
      await this.#takeStep();
      const { step } = this.#progress;
      const isLast = step >= totalSteps;
      if (tasks !== undefined && (isLast || step % tasks.every === 0)) await this.#measureTasks();
      if (evaluation !== undefined && (isLast || step % evaluation.every === 0)) await this.#evaluate();
      await setImmediate();
      // The final model is written next, interrupted or not; should that fail, the run can be resumed.
      if (isLast) await this.#save('last');
      if (isLast) break;
      const isDue = checkpoints !== undefined && checkpoints.every > 0 && step % checkpoints.every === 0;
      if (isDue) await this.#save('due');
      await this.#endIfAsked();
    }
    this.#refuseNothingLearned();
    return {
      losses: this.#losses,
      evaluations: this.#evaluations,
      tokens: this.#progress.tokens,
      seconds: (performance.now() - this.#started) / 1000,
      skippedSteps: this.#skippedSteps,
      progress: this.#progress,
    };
  }

  /** @throws NothingLearnedError if the parameters are those that the run began with */
  #refuseNothingLearned(): void {
    const { trainer, totalSteps } = this.#parts;
    if (trainer.hasLearned) return;
    const { label } = this.#options;
    throw new NothingLearnedError(
      trainer.state().optimizerSteps === 0
        ? `${label}: nothing was learned: none of the ${totalSteps} steps was finite, all were left out; no final model is ` +
            'written. A smaller training.loss_scale.initial, a lower learning rate, more steps or bfloat16-mixed may help.'
        : `${label}: nothing was learned: the learning rate was 0 in every step; no final model is written. Give more steps ` +
            'or a shorter warm-up.',
    );
  }

  #goTo(progress: RunProgress): void {
    this.#progress = progress;
    this.#loader.restore({ ...this.#loader.state(), position: progress.rows });
  }

  async #takeStep(): Promise<void> {
    const { training } = this.#options;
    const { trainer } = this.#parts;
    const { step, tokens } = this.#progress;
    const started = performance.now();
    this.#clock.enter('data');
    const { size = 1 } = this.#options.ranks?.data ?? {};
    const { rows, indices } = await this.#loader.next(this.#parts.rowsPerStep / size);
    const filler = size === 1 ? undefined : (rows[0] ?? (await this.#rows.read(0)));
    const steps = trainer.microSteps(inGroups(rows, training.micro_batch_size), filler);
    let result: StepResult;
    try {
      result = await this.#run(steps);
    } catch (error) {
      if (!(error instanceof NonFiniteError)) throw error;
      await this.#refuseOrRollBack(error, indices);
      return;
    }
    this.#progress = {
      ...this.#progress,
      step: step + 1,
      tokens: tokens + result.tokens,
      rows: this.#loader.state().position,
    };
    if (result.skipped) this.#noteSkipped(result, indices);
    this.#report(result, (performance.now() - started) / 1000);
  }

  /** The micro-batches of a step; a signal in between gives the step up. */
  async #run(steps: globalThis.Generator<undefined, StepResult>): Promise<StepResult> {
    for (;;) {
      const next = steps.next();
      if (next.done === true) return next.value;
      await setImmediate();
      // Ranks pause together: only behind a step.
      if (this.#signals.received === undefined || this.#options.ranks !== undefined) continue;
      steps.return(neverUsed());
      await this.#endIfAsked();
    }
  }

  async #endIfAsked(): Promise<void> {
    const { ranks } = this.#options;
    const { received: own } = this.#signals;
    const received = ranks === undefined ? own : ranks.anySignal(own);
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

  async #save(reason: SaveReason): Promise<void> {
    this.#clock.enter('save');
    await this.#options.checkpoints?.save(this.#progress, this.#parts, reason);
    this.#clock.enter(undefined);
  }

  async #evaluate(): Promise<void> {
    const { evaluation, training, observers = [], onEvaluation } = this.#options;
    if (evaluation === undefined) return;
    const started = performance.now();
    this.#clock.enter('evaluation');
    const measure = (batch: readonly Row[]) => {
      heartbeat({ step: this.#progress.step, phase: 'evaluation' });
      return this.#withoutDropout(() => this.#parts.trainer.measure(batch));
    };
    const { loss, tokens, metrics } = await measureHeldOut(
      measure,
      evaluation,
      training.micro_batch_size,
      async () => {
        await setImmediate();
        // The state of the last step is whole: it is saved, and the evaluation is made again after resuming.
        await this.#endIfAsked();
      },
      this.#options.ranks,
    );
    this.#clock.enter(undefined);
    const { step, best } = this.#progress;
    // A loss that is not finite is no lowest one, and a later number is lower.
    const isBest = Number.isFinite(loss) && (best === undefined || loss < best.loss);
    if (!Number.isFinite(loss))
      log(
        `warning: the evaluation after step ${step} gave ${loss}${tokens > 0 ? '' : ': no token of its rows is learned'}`,
      );
    this.#progress = { ...this.#progress, evaluatedStep: step, best: isBest ? { step, loss } : best };
    const seconds = (performance.now() - started) / 1000;
    // A loss over answers that are compared is no mean over tokens.
    const perplexity = training.objective === undefined ? Math.exp(loss) : undefined;
    const record = { step, loss, perplexity, metrics, tokens, seconds, isBest };
    this.#evaluations.push(record);
    for (const observer of observers) observer.evaluation?.(record);
    this.#withoutDropout(() => this.#parts.trainer.withWholeModel(() => onEvaluation?.(record)));
    if (isBest) await this.#save('best');
  }

  async #measureTasks(): Promise<void> {
    const { tasks, ranks, observers = [] } = this.#options;
    if (tasks === undefined) return;
    const { step } = this.#progress;
    const { trainer } = this.#parts;
    const started = performance.now();
    this.#clock.enter('evaluation');
    const beat = (): void => heartbeat({ step, phase: 'evaluation' });
    const scores = await this.#whileWithoutDropout(() =>
      measureTasks(tasks.evaluator, { step, trainer, ranks, beat }),
    );
    this.#clock.enter(undefined);
    // After a signal in their midst the state of the last step is saved; they are measured again after resuming.
    await this.#endIfAsked();
    this.#progress = { ...this.#progress, tasksStep: step };
    if (scores === undefined) return;
    const record = { step, scores, seconds: (performance.now() - started) / 1000 };
    for (const observer of observers) observer.taskScores?.(record);
  }

  async #whileWithoutDropout<T>(body: () => Promise<T>): Promise<T> {
    const layers = [...(this.#options.adapters?.values() ?? [])];
    for (const layer of layers) layer.dropoutGenerator = undefined;
    try {
      return await body();
    } finally {
      for (const layer of layers) layer.dropoutGenerator = this.#parts.dropout;
    }
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

  #noteSkipped({ loss, gradNorm, lossScale }: StepResult, rows: readonly number[]): void {
    const { training } = this.#options;
    this.#skippedSteps += 1;
    // An overflow under a dynamic loss scale is how the scale is found.
    if (lossScale !== undefined && training.non_finite !== 'skip') return;
    const problem = `loss ${loss}, gradient norm ${gradNorm}`;
    this.#noteBadRows({ step: this.#progress.step, policy: 'skipped', problem, rows });
  }

  /** Each rank notes its own; of those that have the same rows, one. */
  #noteBadRows(bad: Parameters<typeof noteBadRows>[1]): void {
    const { output, ranks } = this.#options;
    if (ranks?.isFirstOfRows !== false) noteBadRows(output, bad);
  }

  async #refuseOrRollBack(error: NonFiniteError, indices: readonly number[]): Promise<void> {
    const { training, checkpoints, label } = this.#options;
    const { step } = this.#progress;
    const { position: behind } = this.#loader.state();
    const policy = training.non_finite;
    this.#noteBadRows({ step: step + 1, policy, problem: error.message, rows: indices });
    if (policy !== 'rollback') {
      const report = (): void =>
        reportNonFiniteWeights(this.#loaded, label, () => {
          throw error;
        });
      // One rank has all of the model then.
      await this.#parts.trainer.whileWholeModel(async () => {
        await (this.#options.ranks?.first(report) ?? report());
      });
    }
    const restored = await checkpoints?.restore(this.#parts, 'newest');
    if (restored === undefined)
      throw new NonFiniteError(`${error.message} There is no checkpoint to go back to yet.`);
    log(
      `step ${step + 1} was not finite: back to the checkpoint of step ${restored.step}; the data goes on behind the rows ` +
        'of that step',
    );
    this.#goTo({ ...restored, rows: behind });
  }

  #report(result: StepResult, seconds: number): void {
    const { observers = [], flops } = this.#options;
    const { step, tokens, rows } = this.#progress;
    const { loss, gradNorm, learningRate, learnedTokens, metrics, lossScale, skipped } = result;
    const tokensPerSecond = result.tokens / seconds;
    const memoryBytes = process.memoryUsage.rss();
    this.#peakMemory = Math.max(this.#peakMemory, memoryBytes);
    this.#losses.push({ step, loss });
    const record: StepRecord = {
      step,
      totalSteps: this.#parts.totalSteps,
      loss,
      gradNorm,
      learningRate,
      metrics,
      tokens,
      learnedTokens,
      rows,
      tokensPerSecond,
      // Each rank has computed its part of the tokens.
      modelFlopsUtilisation: flopsUtilisation(flops, tokensPerSecond / (this.#options.ranks?.size ?? 1)),
      memoryBytes,
      peakMemoryBytes: this.#peakMemory,
      phaseSeconds: this.#clock.take(),
      elapsedSeconds: (performance.now() - this.#started) / 1000,
      lossScale,
      skipped,
    };
    for (const observer of observers) observer.step(record);
  }

  async dispose(isThrough: boolean): Promise<void> {
    const { adapters, label, output, observers = [] } = this.#options;
    this.#signals.dispose();
    await this.#loader.close();
    this.#parts.trainer.dispose(isThrough);
    this.#parts.dropout.dispose();
    for (const layer of adapters?.values() ?? []) layer.dropoutGenerator = undefined;
    for (const [, parameter] of this.#loaded.model.namedParameters()) parameter.setRequiresGrad(false);
    for (const observer of observers) await observer.close();
    if (this.#options.ranks?.isFirst !== false)
      writeLossPicture(output, label, this.#losses, this.#evaluations);
  }
}

/** The value of a step that was given up; its caller throws before it is looked at. */
function neverUsed(): StepResult {
  return {
    loss: Number.NaN,
    gradNorm: Number.NaN,
    learningRate: Number.NaN,
    tokens: 0,
    learnedTokens: 0,
    metrics: undefined,
    skipped: true,
    lossScale: undefined,
  };
}

function inGroups(rows: readonly Row[], size: number): Row[][] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, group) =>
    rows.slice(group * size, (group + 1) * size),
  );
}
