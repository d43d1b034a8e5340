/** A training run from its configuration to `final/`. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { adapterContent, publishedParameters, saveAdapter } from '../checkpoint/index.js';
import { InputError, messageOf } from '../errors/index.js';
import { fileStatus, writeFolderAtomic } from '../formats/index.js';
import { generateText } from '../generation/index.js';
import { log } from '../log/index.js';
import { type LoraLinear, learningRateFactors, mergeLora } from '../lora/index.js';
import {
  type LoadedModel,
  loadModelTokenizer,
  modelSideFiles,
  saveModel,
  tokenizerSource,
} from '../models/index.js';
import { prepareEngine, setLinearRoute } from '../tensor/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { CheckpointStore, openCheckpointFolder } from './checkpoints/checkpoint-store.js';
import type { CheckpointManifest } from './checkpoints/manifest.js';
import type { SnapshotFile } from './checkpoints/snapshot.js';
import type { TrainConfig } from './run-config.js';
import { lockRun } from './run-lock.js';
import { addAdapters, createRunModel } from './run-model.js';
import { type RunRows, readRunRows } from './run-rows.js';
import { type RunIdentity, type RunProgress, restoreRun, snapshotTensor, takeSnapshot } from './run-state.js';
import { type RunCheckpoints, type RunParts, type TrainingResult, trainRows } from './train-rows.js';
import { metricsFile } from './watch/metrics-file.js';
import type { RunObserver } from './watch/observer.js';
import { tensorBoard } from './watch/tensor-board.js';
import { watchServer } from './watch/watch-server.js';

const METRICS_FILE = 'metrics.jsonl';
const CHECKPOINTS = 'checkpoints';
const FINAL = 'final';
const ADAPTER = 'adapter';

/** What a run leaves in its folder; a second one must not write over it. */
const RUN_FILES = [METRICS_FILE, CHECKPOINTS, ADAPTER, FINAL] as const;

export interface RunOptions {
  /** Go on from the newest checkpoint of the output folder (`auto`), or from this one. Default: a new run. */
  readonly resume?: string | undefined;
}

/**
 * Runs a whole configuration. With LoRA, `adapter/` and the checkpoints hold the adapter alone (a PEFT folder), and
 * `final/` the model with the adapter merged.
 * @throws InputError for whatever of it is wrong, before anything is written
 */
export async function runTraining(config: TrainConfig, { resume }: RunOptions = {}): Promise<TrainingResult> {
  const { output } = config;
  const store = new CheckpointStore(join(output, CHECKPOINTS), {
    keepLast: config.checkpoints.keep_last,
    keepEvery: config.checkpoints.keep_every,
    async: config.checkpoints.async,
  });
  const start = resume === undefined ? refuseOtherRun(output) : findStart(store, resume);
  const tokenizerPath = config.model.tokenizer ?? config.model.path;
  if (tokenizerPath === undefined)
    throw new InputError('model.tokenizer is missing; a new model needs a tokenizer file or folder.');
  prepareEngine(config.threads === undefined ? {} : { threads: config.threads });
  if (config.deterministic) setLinearRoute({ forward: false, gradInput: false, gradWeight: false });
  const loaded = createRunModel(config);
  const { architecture } = loaded;
  const tokenizer = loadModelTokenizer(architecture, tokenizerPath);
  const data = await readRunRows(config.data, architecture, tokenizer);
  const held =
    config.evaluation === undefined
      ? undefined
      : await readRunRows(config.evaluation, architecture, tokenizer);
  const added = config.lora === undefined ? undefined : addAdapters(loaded, config.lora, config.seed);
  const keeper = new RunKeeper({ config, loaded, adapters: added, data, store, tokenizerPath, start });

  const made = makeFolder(output);
  const unlock = lockRun(output);
  let watch: RunObserver | undefined;
  try {
    watch = await openWatch(config);
    return await trainAndSave(config, loaded, keeper, {
      data,
      held,
      adapters: added,
      start,
      tokenizer,
      watch,
    });
  } catch (error) {
    await watch?.close();
    unlock();
    removeIfEmpty(output, made);
    throw error;
  } finally {
    unlock();
    loaded.model.dispose();
  }
}

async function trainAndSave(
  config: TrainConfig,
  loaded: LoadedModel,
  keeper: RunKeeper,
  {
    data,
    held,
    adapters,
    start,
    tokenizer,
    watch,
  }: {
    data: RunRows;
    held: RunRows | undefined;
    adapters: Map<string, LoraLinear> | undefined;
    start: RunStart | undefined;
    tokenizer: Tokenizer;
    watch: RunObserver | undefined;
  },
): Promise<TrainingResult> {
  const { output } = config;
  const observers: RunObserver[] = [
    metricsFile(join(output, METRICS_FILE), { resumedAfter: start?.manifest.step }),
    ...(watch === undefined ? [] : [watch]),
  ];
  if (config.watch.tensorboard)
    observers.push(tensorBoard(join(output, 'tensorboard'), { resumedAfter: start?.manifest.step }));
  const result = await trainRows(loaded, data.rows, {
    training: config.training,
    output,
    seed: config.seed,
    shuffle: config.data.shuffle,
    documentAttention: data.documentAttention,
    label: 'training',
    adapters,
    learningRateFactors:
      adapters === undefined || config.lora === undefined
        ? undefined
        : learningRateFactors(adapters, config.lora.plus_ratio),
    observers,
    onEvaluation: ({ step }) => writeSamples(config, loaded, tokenizer, step, observers),
    evaluation:
      held === undefined || config.evaluation === undefined
        ? undefined
        : { rows: held.rows, every: config.evaluation.every, maxRows: config.evaluation.max_rows },
    checkpoints: keeper,
  });
  await keeper.finish(result.progress);
  if (adapters !== undefined) {
    await keeper.writeAdapter(join(output, ADAPTER));
    mergeLora(loaded.model);
  }
  await saveModel(join(output, FINAL), loaded, tokenizerSource(keeper.tokenizerPath));
  log(`final model: ${join(output, FINAL)}`);
  return result;
}

async function openWatch({ watch, output }: TrainConfig): Promise<RunObserver | undefined> {
  if (watch.port === undefined) return undefined;
  const server = await watchServer({ port: watch.port, label: basename(output) });
  log(`watch this run at ${server.url}`);
  return server;
}

/** New tokens of a sample that is written during a run. */
const SAMPLE_TOKENS = 48;

/** Lets the model continue the prompts of the configuration, for those who watch. */
function writeSamples(
  { watch: { prompts = [] } }: TrainConfig,
  { model }: LoadedModel,
  tokenizer: Tokenizer,
  step: number,
  observers: readonly RunObserver[],
): void {
  for (const prompt of prompts) {
    const promptIds = tokenizer.encode(prompt);
    const [result] = generateText(model, tokenizer, [{ promptIds, maxNewTokens: SAMPLE_TOKENS }]);
    const text = result?.text ?? '';
    log(`sample after step ${step}: ${prompt}${text}`);
    for (const observer of observers) observer.sample?.({ step, prompt, text });
  }
}

interface RunStart {
  readonly path: string;
  readonly manifest: CheckpointManifest;
}

/** The checkpoints of one run: weights or adapter, optimiser, everything that a resumed run needs. */
class RunKeeper implements RunCheckpoints {
  readonly every: number;
  readonly tokenizerPath: string;
  readonly #config: TrainConfig;
  readonly #loaded: LoadedModel;
  readonly #adapters: Map<string, LoraLinear> | undefined;
  readonly #data: RunRows;
  readonly #store: CheckpointStore;
  #start: RunStart | undefined;
  #parts: RunParts | undefined;

  constructor(run: {
    config: TrainConfig;
    loaded: LoadedModel;
    adapters: Map<string, LoraLinear> | undefined;
    data: RunRows;
    store: CheckpointStore;
    tokenizerPath: string;
    start: RunStart | undefined;
  }) {
    this.#config = run.config;
    this.#loaded = run.loaded;
    this.#adapters = run.adapters;
    this.#data = run.data;
    this.#store = run.store;
    this.#start = run.start;
    this.every = run.config.checkpoints.every;
    this.tokenizerPath = run.tokenizerPath;
  }

  async save(progress: RunProgress, parts: RunParts, reason: 'due' | 'best' | 'interrupted'): Promise<void> {
    this.#parts = parts;
    const { keep_best: keepBest } = this.#config.checkpoints;
    if (reason === 'best' && !keepBest) return;
    if (reason === 'best') this.#store.markBest(progress.step);
    const snapshot = takeSnapshot(
      progress,
      this.#identity(parts),
      parts.trainer,
      parts.dropout,
      this.#files(),
    );
    await this.#store.save(progress.step, snapshot, reason === 'interrupted');
  }

  async restore(parts: RunParts, which: 'start' | 'newest'): Promise<RunProgress | undefined> {
    this.#parts = parts;
    await this.#store.wait();
    const from = which === 'start' ? this.#start : this.#newestOrNone();
    if (from === undefined) return undefined;
    return this.#restoreFrom(from, parts);
  }

  /** After the last step: with keep_best, back to the weights of the best evaluation. */
  async finish({ best, step }: RunProgress): Promise<void> {
    await this.#store.wait();
    const parts = this.#parts;
    if (
      !this.#config.checkpoints.keep_best ||
      best === undefined ||
      best.step === step ||
      parts === undefined
    )
      return;
    const path = this.#store.pathOf(best.step);
    if (fileStatus(path) === undefined) {
      log(`warning: the best checkpoint, ${path}, is gone; the final model is that of the last step`);
      return;
    }
    log(`final model: the weights of step ${best.step}, whose evaluation loss was the lowest`);
    this.#restoreFrom({ path, manifest: openCheckpointFolder(path) }, parts, 'weights');
  }

  async writeAdapter(folder: string): Promise<void> {
    const { model, architecture } = this.#loaded;
    await writeFolderAtomic(
      folder,
      (temporary) => saveAdapter(model, architecture.names, temporary, this.#config.model.path),
      { replace: true },
    );
  }

  #restoreFrom({ path, manifest }: RunStart, parts: RunParts, what: 'all' | 'weights' = 'all'): RunProgress {
    const isAdapter = this.#adapters !== undefined;
    const progress = restoreRun(path, manifest, this.#identity(parts), {
      trainer: parts.trainer,
      dropout: parts.dropout,
      parameters: parts.parameters,
      weights: isAdapter ? 'adapter_model.safetensors' : '.',
      nameIn: (name) => (isAdapter ? `base_model.model.${name}` : name),
      what,
    });
    if (progress.best !== undefined) this.#store.markBest(progress.best.step);
    log(`${what === 'all' ? 'resumed' : 'took the weights'} from ${path} (step ${progress.step})`);
    return progress;
  }

  #newestOrNone(): RunStart | undefined {
    return this.#store.steps().length === 0 ? undefined : this.#store.newest();
  }

  #identity({ totalSteps, rowsPerStep }: RunParts): RunIdentity {
    return { config: this.#config, totalSteps, dataRows: this.#data.rows.rowCount, rowsPerStep };
  }

  #files(): SnapshotFile[] {
    const { model, architecture } = this.#loaded;
    if (this.#adapters !== undefined) {
      const { weightFile, tensors, configFile, config } = adapterContent(
        model,
        architecture.names,
        this.#config.model.path,
      );
      const saved = tensors.map(([name, tensor]) => snapshotTensor(name, tensor));
      return [
        { path: weightFile, content: { kind: 'tensors', tensors: saved } },
        { path: configFile, content: { kind: 'bytes', bytes: Buffer.from(config) } },
      ];
    }
    const tensors = [...publishedParameters(model, architecture.names)].map(([name, parameter]) =>
      snapshotTensor(name, parameter),
    );
    return [
      { path: 'model.safetensors', content: { kind: 'tensors', tensors } },
      ...modelSideFiles(this.#loaded, tokenizerSource(this.tokenizerPath)).map(
        ({ name, content }): SnapshotFile => ({
          path: name,
          content: {
            kind: 'bytes',
            bytes: typeof content === 'string' ? Buffer.from(content) : readFileSync(content.file),
          },
        }),
      ),
    ];
  }
}

function findStart(store: CheckpointStore, resume: string): RunStart {
  if (resume === 'auto') return store.newest();
  return { path: resume, manifest: openCheckpointFolder(resume) };
}

function refuseOtherRun(output: string): undefined {
  const status = fileStatus(output);
  if (status !== undefined && !status.isDirectory())
    throw new InputError(`${output}: output is a file; name a folder.`);
  const found = RUN_FILES.find((name) => fileStatus(join(output, name)) !== undefined);
  if (found !== undefined)
    throw new InputError(
      `${output}: holds a run already (${found}); name another output folder, remove this one, or go on with --resume.`,
    );
  return undefined;
}

/** @returns the uppermost folder that had to be made */
function makeFolder(output: string): string | undefined {
  try {
    return mkdirSync(output, { recursive: true });
  } catch (error) {
    throw new InputError(`${output}: the output folder cannot be made: ${messageOf(error)}.`);
  }
}

/** A run that fails in its first step leaves no folder behind. */
function removeIfEmpty(output: string, made: string | undefined): void {
  const metrics = join(output, METRICS_FILE);
  if (fileStatus(metrics)?.size === 0) rmSync(metrics);
  if (made === undefined) return;
  for (let folder = output; readdirSync(folder).length === 0; folder = dirname(folder)) {
    rmdirSync(folder);
    if (folder === made) return;
  }
}
