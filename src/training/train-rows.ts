/** The loop over the steps: rows in order, metrics, progress, checkpoints, signals, the loss plot. */
import { appendFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { publishedParameters } from '../checkpoint/index.js';
import { type Row, RowOrder, type RowSource } from '../data/index.js';
import { InterruptedError } from '../errors/index.js';
import { writeFileAtomic } from '../formats/index.js';
import { formatCount, log, Progress } from '../log/index.js';
import type { LoraLinear } from '../lora/index.js';
import { blameWeights, type LoadedModel } from '../models/index.js';
import { Generator, type Tensor } from '../tensor/index.js';
import { renderLossSvg } from './loss-svg.js';
import type { TrainConfig } from './run-config.js';
import { cosineLearningRate } from './schedule.js';
import { type StepResult, Trainer } from './trainer.js';

export const METRICS_FILE = 'metrics.jsonl';

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

export interface TrainingResult {
  readonly losses: readonly LossPoint[];
  readonly seconds: number;
  /** Tokens read, padding apart. */
  readonly tokens: number;
}

type OptionalKey = 'warmup_steps' | 'warmup_ratio' | 'steps' | 'epochs' | 'no_weight_decay';

export interface TrainRowsOptions extends Omit<TrainConfig['training'], OptionalKey> {
  readonly warmup_steps?: number | undefined;
  readonly warmup_ratio?: number | undefined;
  readonly steps?: number | undefined;
  readonly epochs?: number | undefined;
  readonly no_weight_decay?: readonly string[] | undefined;
  /** Existing folder for metrics.jsonl, loss.svg, checkpoints/. */
  readonly output: string;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Read each text of a packed row on its own. */
  readonly document_attention: boolean;
  /** Shown in the progress line. */
  readonly label: string;
  /** Trained instead of the weights. */
  readonly adapters?: ReadonlyMap<string, LoraLinear> | undefined;
  /** Fills a folder of its own; called every `save_every` steps and when a signal ends the run. */
  readonly saveCheckpoint?: (folder: string) => Promise<void>;
}

/**
 * Trains a model in memory on rows that are read as they are needed.
 * @throws InterruptedError after SIGINT or SIGTERM, the checkpoint being written
 */
export async function trainRows(
  loaded: LoadedModel,
  rows: RowSource,
  options: TrainRowsOptions,
): Promise<TrainingResult> {
  const { output, label, save_every, saveCheckpoint } = options;
  const { model } = loaded;
  const rowsPerStep = options.micro_batch_size * options.gradient_accumulation_steps;
  const totalSteps =
    options.steps ?? Math.max(1, Math.ceil(((options.epochs ?? 1) * rows.rowCount) / rowsPerStep));
  const schedule = {
    learningRate: options.learning_rate,
    minLearningRate: options.min_learning_rate,
    warmupSteps: options.warmup_steps ?? Math.round((options.warmup_ratio ?? 0) * totalSteps),
    totalSteps,
    form: options.schedule,
  };
  const order = new RowOrder(rows.rowCount, options);
  const dropout = new Generator(options.seed, model.device);
  const trainer = createTrainer(loaded, options, dropout);
  log(`${label}: ${rows.rowCount} rows, ${totalSteps} steps of ${rowsPerStep} rows`);
  const progress = new Progress({ label, total: totalSteps });
  const losses: LossPoint[] = [];
  let tokens = 0;
  const signals = new SignalWatch(label);
  try {
    for (let step = 0; step < totalSteps; step++) {
      const started = performance.now();
      const learningRate = cosineLearningRate(step, schedule);
      const microBatches = stepRows(rows, order, step, options);
      const result = blameWeights(loaded, label, () => trainer.step(microBatches, learningRate));
      tokens += result.tokens;
      losses.push({ step, loss: result.loss });
      const rate = (1000 * result.tokens) / (performance.now() - started);
      appendFileSync(
        join(output, METRICS_FILE),
        metricsLine(step, result, { learningRate, tokens, rate, elapsed: progress.seconds }),
      );
      progress.update(step + 1, `loss ${result.loss.toFixed(4)}, ${formatCount(rate)} tokens/s`);
      await setImmediate(); // Lets signals in.
      if (step === totalSteps - 1) break; // The final model is written next, interrupted or not.
      const isDue = save_every > 0 && (step + 1) % save_every === 0;
      const folder = join(output, 'checkpoints', `step-${step + 1}`);
      if (saveCheckpoint !== undefined && (isDue || signals.received !== undefined))
        await saveCheckpoint(folder);
      if (signals.received !== undefined) {
        const saved = saveCheckpoint === undefined ? '' : `; checkpoint: ${folder}`;
        throw new InterruptedError(
          `${label}: stopped by ${signals.received} after step ${step + 1} of ${totalSteps}${saved}`,
        );
      }
    }
  } finally {
    signals.dispose();
    trainer.dispose();
    dropout.dispose();
    for (const layer of options.adapters?.values() ?? []) layer.dropoutGenerator = undefined;
    for (const [, parameter] of model.namedParameters()) parameter.setRequiresGrad(false);
    if (losses.length > 0) {
      progress.finish(`loss ${losses.at(-1)?.loss.toFixed(4)}`);
      const svg = renderLossSvg([{ name: label, points: losses }], { title: basename(output) });
      writeFileAtomic(join(output, 'loss.svg'), svg);
    }
  }
  return { losses, tokens, seconds: progress.seconds };
}

/** Remembers the first signal, so that the step is finished and saved; a second one ends the process at once. */
class SignalWatch {
  received: NodeJS.Signals | undefined;
  readonly #listener = (signal: NodeJS.Signals): void => {
    this.received = signal;
    this.dispose();
    log(`${this.label}: ${signal}: stopping after this step; once more to stop at once`);
  };

  constructor(private readonly label: string) {
    process.on('SIGINT', this.#listener);
    process.on('SIGTERM', this.#listener);
  }

  dispose(): void {
    process.off('SIGINT', this.#listener);
    process.off('SIGTERM', this.#listener);
  }
}

/** The rows of each micro-batch of a step. */
function stepRows(
  rows: RowSource,
  order: RowOrder,
  step: number,
  { micro_batch_size: size, gradient_accumulation_steps: parts }: TrainRowsOptions,
): Row[][] {
  return Array.from({ length: parts }, (_, part) =>
    Array.from({ length: size }, (_, index) => rows.row(order.rowAt((step * parts + part) * size + index))),
  );
}

function metricsLine(
  step: number,
  result: StepResult,
  run: { learningRate: number; tokens: number; rate: number; elapsed: number },
): string {
  return `${JSON.stringify({
    step: step + 1,
    loss: result.loss,
    grad_norm: result.gradNorm,
    learning_rate: run.learningRate,
    tokens: run.tokens,
    learned_tokens: result.learnedTokens,
    tokens_per_second: run.rate,
    elapsed_seconds: run.elapsed,
  })}\n`;
}

function createTrainer(
  { model, architecture }: LoadedModel,
  options: TrainRowsOptions,
  dropout: Generator,
): Trainer {
  const { adapters } = options;
  const parameters = publishedParameters(model, architecture.names);
  if (adapters !== undefined) {
    const trained = new Set([...adapters.values()].flatMap(({ loraA, loraB }) => [loraA, loraB]));
    for (const [name, parameter] of parameters) if (!trained.has(parameter)) parameters.delete(name);
    for (const layer of adapters.values()) layer.dropoutGenerator = dropout;
  }
  const trainedCount = [...parameters.values()].reduce((sum, parameter) => sum + parameter.numElements, 0);
  log(
    `${options.label}: ${formatCount(trainedCount)} of ${formatCount(model.parameterCount())} parameters are trained`,
  );
  return new Trainer(model, parameters, {
    beta1: options.beta1,
    beta2: options.beta2,
    eps: options.eps,
    form: options.adamw,
    weightDecay: options.weight_decay,
    isSparedFromDecay: sparedFromDecay(options.no_weight_decay),
    maxGradNorm: options.max_grad_norm,
    recompute: options.recompute,
    lossAlignment: options.loss_alignment,
    documentAttention: options.document_attention,
    padTokenId: architecture.padTokenId ?? 0,
    generator: dropout,
  });
}

function sparedFromDecay(parts: readonly string[] | undefined): (name: string, parameter: Tensor) => boolean {
  if (parts === undefined) return (_, parameter) => parameter.numDims < 2;
  return (name) => parts.some((part) => name.includes(part));
}
