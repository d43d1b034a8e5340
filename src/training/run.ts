/** A training run from its configuration to `final/`: model, rows, steps, metrics, checkpoints, loss plot. */
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { saveAdapter } from '../checkpoint/index.js';
import {
  type ChatForm,
  concatenateDocuments,
  packSamples,
  type Row,
  RowOrder,
  readDialogues,
  readTexts,
  renderDialogues,
  separateSamples,
} from '../data/index.js';
import { InputError, InterruptedError } from '../errors/index.js';
import { writeFileAtomic, writeFolderAtomic } from '../formats/index.js';
import { formatCount, log, Progress } from '../log/index.js';
import { applyLora, initializeLora, type LoraLinear, mergeLora } from '../lora/index.js';
import {
  findConfig,
  type LoadedModel,
  loadArchitecture,
  loadModel,
  parseArchitecture,
  saveModel,
} from '../models/index.js';
import { initializeModule } from '../nn/index.js';
import { Generator, prepareEngine, scope, selectDevice, type Tensor } from '../tensor/index.js';
import { loadTokenizer, type Tokenizer } from '../tokenizers/index.js';
import { renderLossSvg } from './loss-svg.js';
import type { TrainConfig } from './run-config.js';
import { cosineLearningRate } from './schedule.js';
import { type StepResult, Trainer } from './trainer.js';

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

export interface TrainingResult {
  readonly losses: readonly LossPoint[];
  readonly seconds: number;
  readonly tokens: number;
}

/** Runs a whole configuration. @throws InputError for whatever of it is wrong, before anything is written */
export async function runTraining(config: TrainConfig): Promise<TrainingResult> {
  const { output } = config;
  if (existsSync(join(output, 'metrics.jsonl')))
    throw new InputError(`${output}: holds a run already; name another output folder, or remove this one.`);
  prepareEngine(config.threads === undefined ? {} : { threads: config.threads });
  const tokenizerPath = config.model.tokenizer ?? config.model.path;
  if (tokenizerPath === undefined)
    throw new InputError('training: model.tokenizer is missing; a new model needs a tokenizer.');
  const loaded = createModel(config);
  const tokenizer = loadTokenizer(tokenizerPath, loaded.architecture.tokenizerOptions);
  if (tokenizer.vocabSize > loaded.architecture.vocabSize)
    throw new InputError(
      `${tokenizerPath}: the tokenizer has ${tokenizer.vocabSize} ids, the model's vocabulary only ` +
        `${loaded.architecture.vocabSize}; they do not belong together.`,
    );
  const rows = readRows(config, loaded, tokenizer);
  const adapters =
    config.lora === undefined ? undefined : addLora(config, config.lora.target_modules, loaded);

  mkdirSync(output, { recursive: true });
  const result = await trainRows(loaded, rows, {
    ...config.training,
    output,
    seed: config.seed,
    shuffle: config.data.shuffle,
    label: 'training',
    adapters,
    saveCheckpoint: (folder) => saveModel(folder, loaded, tokenizerPath),
  });
  if (adapters !== undefined) {
    await writeFolderAtomic(join(output, 'adapter'), (folder) =>
      saveAdapter(loaded.model, loaded.architecture.names, folder, config.model.path),
    );
    mergeLora(loaded.model);
  }
  await saveModel(join(output, 'final'), loaded, tokenizerPath);
  log(`final model: ${join(output, 'final')}`);
  loaded.model.dispose();
  return result;
}

export interface TrainRowsOptions
  extends Omit<
    TrainConfig['training'],
    'warmup_steps' | 'warmup_ratio' | 'steps' | 'epochs' | 'no_weight_decay'
  > {
  readonly warmup_steps?: number | undefined;
  readonly warmup_ratio?: number | undefined;
  readonly steps?: number | undefined;
  readonly epochs?: number | undefined;
  readonly no_weight_decay?: readonly string[] | undefined;
  /** Existing folder for metrics.jsonl, loss.svg, checkpoints/. */
  readonly output: string;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Shown in the progress line. */
  readonly label: string;
  /** Trained instead of the weights. */
  readonly adapters?: ReadonlyMap<string, LoraLinear> | undefined;
  readonly saveCheckpoint?: (folder: string) => Promise<void>;
}

/** Trains a model in memory on rows in memory. */
export async function trainRows(
  loaded: LoadedModel,
  rows: readonly Row[],
  options: TrainRowsOptions,
): Promise<TrainingResult> {
  const { output, micro_batch_size, gradient_accumulation_steps, save_every, saveCheckpoint } = options;
  const { model, architecture } = loaded;
  const rowsPerStep = micro_batch_size * gradient_accumulation_steps;
  const totalSteps =
    options.steps ?? Math.max(1, Math.ceil(((options.epochs ?? 1) * rows.length) / rowsPerStep));
  const warmupSteps = options.warmup_steps ?? Math.round((options.warmup_ratio ?? 0) * totalSteps);
  const order = new RowOrder(rows.length, options);
  const trained = trainedParameters(loaded, options.adapters);
  const trainer = new Trainer(model, trained, {
    beta1: options.beta1,
    beta2: options.beta2,
    eps: options.eps,
    form: options.adamw,
    weightDecay: options.weight_decay,
    isSparedFromDecay: sparedFromDecay(options.no_weight_decay),
    maxGradNorm: options.max_grad_norm,
    recompute: options.recompute,
    lossAlignment: options.loss_alignment,
    padTokenId: architecture.padTokenId ?? 0,
  });
  const trainedCount = [...trained.values()].reduce((sum, parameter) => sum + parameter.numElements, 0);
  log(
    `${options.label}: ${formatCount(trainedCount)} of ${formatCount(model.parameterCount())} parameters, ` +
      `${rows.length} rows, ${totalSteps} steps of ${rowsPerStep} rows`,
  );
  const metricsPath = join(output, 'metrics.jsonl');
  writeFileSync(metricsPath, '', { flag: 'wx' });
  const progress = new Progress({ label: options.label, total: totalSteps });
  const losses: LossPoint[] = [];
  let tokens = 0;
  let interrupted: NodeJS.Signals | undefined;
  const interrupt = (signal: NodeJS.Signals): void => {
    interrupted = signal;
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    for (let step = 0; step < totalSteps; step++) {
      const started = performance.now();
      const learningRate = cosineLearningRate(step, {
        learningRate: options.learning_rate,
        minLearningRate: options.min_learning_rate,
        warmupSteps,
        totalSteps,
        form: options.schedule,
      });
      const micro = Array.from({ length: gradient_accumulation_steps }, (_, part) =>
        Array.from({ length: micro_batch_size }, (_, index) => {
          const row =
            rows[order.rowAt((step * gradient_accumulation_steps + part) * micro_batch_size + index)];
          if (row === undefined) throw new RangeError('row order beyond the rows');
          return row;
        }),
      );
      const result = trainer.step(micro, learningRate);
      tokens += result.tokens;
      losses.push({ step, loss: result.loss });
      const seconds = (performance.now() - started) / 1000;
      appendFileSync(metricsPath, metricsLine(step, result, learningRate, tokens, seconds, progress.seconds));
      progress.update(
        step + 1,
        `loss ${result.loss.toFixed(4)}, ${formatCount(result.tokens / seconds)} tokens/s`,
      );
      // Lets signals in.
      await setImmediate();
      const isLast = step === totalSteps - 1;
      const isDue = save_every > 0 && (step + 1) % save_every === 0 && !isLast;
      if (saveCheckpoint !== undefined && (isDue || interrupted !== undefined))
        await saveCheckpoint(join(output, 'checkpoints', `step-${step + 1}`));
      if (interrupted !== undefined)
        throw new InterruptedError(
          `${options.label}: stopped by ${interrupted} after step ${step + 1} of ${totalSteps}`,
        );
    }
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    trainer.dispose();
    for (const [, parameter] of model.namedParameters()) parameter.setRequiresGrad(false);
    progress.finish(losses.length === 0 ? '' : `loss ${losses.at(-1)?.loss.toFixed(4)}`);
    if (losses.length > 0)
      writeFileAtomic(
        join(output, 'loss.svg'),
        renderLossSvg([{ name: options.label, points: losses }], { title: basename(output) }),
      );
  }
  return { losses, tokens, seconds: progress.seconds };
}

function metricsLine(
  step: number,
  result: StepResult,
  learningRate: number,
  tokens: number,
  seconds: number,
  elapsed: number,
): string {
  return `${JSON.stringify({
    step: step + 1,
    loss: result.loss,
    grad_norm: result.gradNorm,
    learning_rate: learningRate,
    tokens,
    learned_tokens: result.learnedTokens,
    tokens_per_second: result.tokens / seconds,
    elapsed_seconds: elapsed,
  })}\n`;
}

function trainedParameters(
  { model, architecture }: LoadedModel,
  adapters: ReadonlyMap<string, LoraLinear> | undefined,
): Map<string, Tensor> {
  if (adapters === undefined)
    return new Map(
      model.namedParameters().map(([own, tensor]) => [architecture.names.toPublished(own), tensor]),
    );
  const trained = new Map<string, Tensor>();
  for (const [own, layer] of adapters) {
    const name = architecture.names.toPublished(`${own}.weight`);
    trained.set(`${name}.lora_A`, layer.loraA);
    trained.set(`${name}.lora_B`, layer.loraB);
    layer.training = true;
  }
  return trained;
}

function sparedFromDecay(parts: readonly string[] | undefined): (name: string, parameter: Tensor) => boolean {
  if (parts === undefined) return (_, parameter) => parameter.numDims < 2;
  return (name) => parts.some((part) => name.includes(part));
}

function createModel(config: TrainConfig): LoadedModel {
  const { path, config: newConfig, dtype } = config.model;
  const device = selectDevice(config.device);
  return path === undefined || newConfig !== undefined
    ? newModel(config, newConfig ?? findConfig(path ?? ''), device)
    : loadModel(path, { dtype, device });
}

function newModel(
  config: TrainConfig,
  source: string | Record<string, unknown>,
  device: string,
): LoadedModel {
  const architecture =
    typeof source === 'string' ? loadArchitecture(source) : parseArchitecture(source, 'model.config');
  const model = architecture.createModel();
  const generator = new Generator(config.seed);
  scope(() =>
    initializeModule(model, {
      rule: architecture.initRule,
      generator,
      dtype: config.model.dtype ?? 'float32',
      device,
    }),
  );
  generator.dispose();
  return { model, architecture };
}

function addLora(config: TrainConfig, targets: readonly string[], { model, architecture }: LoadedModel) {
  const { rank, alpha, dropout } = config.lora ?? { rank: 8, alpha: 16, dropout: 0 };
  const published = (own: string): string => architecture.names.toPublished(`${own}.weight`);
  const adapters = applyLora(model, (own) => targets.some((part) => published(own).includes(part)), {
    rank,
    alpha,
    dropout,
  });
  const generator = new Generator(config.seed);
  scope(() => {
    for (const layer of adapters.values()) initializeLora(layer, generator);
  });
  generator.dispose();
  return adapters;
}

function readRows(config: TrainConfig, { architecture }: LoadedModel, tokenizer: Tokenizer): readonly Row[] {
  const { files, form, sequence_length, packing } = config.data;
  const rowLength = sequence_length + 1;
  const rows =
    form === 'text'
      ? concatenateDocuments(encodeTexts(files, tokenizer), rowLength, architecture.eosTokenId)
      : packDialogues(files, form, packing, rowLength, { architecture, tokenizer });
  if (rows.length === 0) throw new InputError(`training: ${files.join(', ')} give no row to train on.`);
  const tokens = rows.reduce((sum, { ids }) => sum + ids.length, 0);
  const learned = rows.reduce(
    (sum, { lossMask }) => sum + lossMask.reduce((count, bit) => count + bit, 0),
    0,
  );
  const fill = tokens / (rows.length * rowLength);
  log(
    `data: ${rows.length} rows of at most ${rowLength} ids, ${formatCount(tokens)} tokens (${(100 * fill).toFixed(1)} % ` +
      `full), ${formatCount(learned)} of them learned`,
  );
  return rows;
}

function* encodeTexts(files: readonly string[], tokenizer: Tokenizer): Iterable<number[]> {
  for (const file of files) for (const text of readTexts(file)) yield tokenizer.encode(text);
}

function packDialogues(
  files: readonly string[],
  form: ChatForm,
  packing: 'greedy' | 'none',
  rowLength: number,
  { architecture, tokenizer }: Pick<LoadedModel, 'architecture'> & { tokenizer: Tokenizer },
): readonly Row[] {
  const samples = files.flatMap((file) =>
    renderDialogues(readDialogues(file, form), architecture.chat, tokenizer),
  );
  const { rows, tooLong } = (packing === 'greedy' ? packSamples : separateSamples)(samples, rowLength);
  if (tooLong.length > 0) {
    const longest = Math.max(...tooLong.map(({ tokens }) => tokens));
    log(
      `data: ${tooLong.length} of ${samples.length} dialogues are longer than a row of ${rowLength} ids (the longest ` +
        `has ${longest}) and are left out; raise data.sequence_length to keep them`,
    );
  }
  return rows;
}
