/** The state of a run: how it is saved in a checkpoint and restored. */
import { join } from 'node:path';
import { type PublishedTensor, pieceStart } from '../../checkpoint/index.js';
import { productVersion } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { openSafetensorsModel, readTensorBytes } from '../../formats/index.js';
import { log } from '../../log/index.js';
import {
  generatorState,
  getThreads,
  isFloatDType,
  linearRoute,
  noGrad,
  type RandomGenerator,
  restoreGenerator,
  scope,
  setLinearRoute,
  type Tensor,
  tensorFromBytes,
  torchVersion,
} from '../../tensor/index.js';
import type { RunCheckpointManifest } from '../checkpoints/manifest.js';
import type { Snapshot, SnapshotFile, SnapshotTensor } from '../checkpoints/snapshot.js';
import type { Trainer } from '../step/trainer.js';
import type { TrainConfig } from './run-config.js';

export interface RunProgress {
  /** Optimiser steps done (steps left out count). */
  readonly step: number;
  /** Tokens read, padding apart. */
  readonly tokens: number;
  /** Rows taken, over all epochs. */
  readonly rows: number;
  /** The lowest evaluation loss so far. */
  readonly best: { readonly step: number; readonly loss: number } | undefined;
  /** The step after which held-out rows were measured last. */
  readonly evaluatedStep: number | undefined;
  /** The step after which evaluation tasks were measured last. */
  readonly tasksStep: number | undefined;
}

export const RUN_START: RunProgress = {
  step: 0,
  tokens: 0,
  rows: 0,
  best: undefined,
  evaluatedStep: undefined,
  tasksStep: undefined,
};

/** What of a run decides which numbers come out. */
export interface RunIdentity {
  readonly config: TrainConfig;
  readonly totalSteps: number;
  readonly dataRows: number;
  readonly rowsPerStep: number;
}

/** Optimiser state, beside the weights. */
const STATE_FILE = 'optimizer.safetensors';

/**
 * @param files the weights and what goes with them: a model folder or an adapter folder
 * The bytes of the tensors are read when the snapshot is written, unless it is copied first.
 */
export function takeSnapshot(
  progress: RunProgress,
  { config, totalSteps, dataRows, rowsPerStep }: RunIdentity,
  trainer: Trainer,
  dropout: RandomGenerator,
  files: readonly SnapshotFile[],
): Snapshot {
  const { optimizerSteps, tensors, places, lossScale } = trainer.state();
  const manifest: Omit<RunCheckpointManifest, 'files'> = {
    format: 'xinghe-training-state',
    version: 1,
    step: progress.step,
    totalSteps,
    tokens: progress.tokens,
    rows: progress.rows,
    data: { rows: dataRows, seed: config.seed, shuffle: config.data.shuffle, rowsPerStep },
    optimizerSteps,
    lossScale: lossScale ?? null,
    generator: scope(() => Buffer.from(generatorState(dropout).toBytes()).toString('base64')),
    best: progress.best ?? null,
    evaluatedStep: progress.evaluatedStep ?? null,
    tasksStep: progress.tasksStep ?? null,
    engine: {
      xinghe: productVersion(),
      libtorch: torchVersion(),
      threads: getThreads(),
      linearRoute: linearRoute(),
      device: config.device,
    },
    config,
  };
  const states = [...tensors].map(([name, tensor]) => {
    const own = snapshotTensor(name, tensor);
    const place = places.get(name);
    if (place === undefined) return own;
    const { ranges, shape, isOwn } = place;
    return { ...own, ranges, shape, bytes: isOwn ? own.bytes : new Uint8Array(0) };
  });
  return {
    manifest,
    files: [...files, { path: STATE_FILE, content: { kind: 'tensors', tensors: states } }],
  };
}

export function snapshotTensor(name: string, tensor: Tensor): SnapshotTensor {
  const { dtype, shape } = tensor;
  return { name, dtype, shape, bytes: () => tensor.toBytes() };
}

/**
 * Puts a checkpoint's state into a model and a trainer that were made by the same configuration.
 * @throws InputError for a checkpoint of another run (data, batch size, model)
 */
export function restoreRun(
  path: string,
  manifest: RunCheckpointManifest,
  identity: RunIdentity,
  parts: {
    readonly trainer: Trainer;
    readonly dropout: RandomGenerator;
    /** What is trained. */
    readonly parameters: readonly PublishedTensor[];
    /** How a parameter is called in the checkpoint. */
    readonly nameIn: (published: string) => string;
    /** weights: those alone, for the end of a run. Default: all. */
    readonly what?: 'all' | 'weights';
    /** The file or folder of the weights in the checkpoint's folder. */
    readonly weights: string;
  },
): RunProgress {
  refuseOtherData(path, manifest, identity);
  if (parts.what !== 'weights') noteChanges(manifest, identity.config);
  setLinearRoute(manifest.engine.linearRoute);
  const weights = readerOf(join(path, parts.weights));
  noGrad(() => {
    for (const tensor of parts.parameters)
      scope(() => {
        const { name, shape } = tensor;
        const saved = weights(parts.nameIn(name));
        if (saved === undefined)
          throw new InputError(`${path} has no weights of ${name}; it is of another model.`);
        if (saved.shape.join() !== shape.join())
          throw new InputError(
            `${path}: ${name} is [${saved.shape.join(', ')}] there, [${shape.join(', ')}] here; it is of another model.`,
          );
        parts.trainer.writeParameter(tensor.path, saved, pieceStart(tensor));
      });
  });
  if (parts.what !== 'weights') {
    const states = readerOf(join(path, STATE_FILE));
    const { optimizerSteps, lossScale } = manifest;
    scope(() => parts.trainer.restore({ optimizerSteps, lossScale: lossScale ?? undefined }, states));
    scope(() => {
      const bytes = Buffer.from(manifest.generator, 'base64');
      restoreGenerator(parts.dropout, tensorFromBytes(bytes, [bytes.length], 'uint8'));
    });
  }
  const { step, tokens, rows, best, evaluatedStep, tasksStep } = manifest;
  return {
    step,
    tokens,
    rows,
    best: bestOf(best),
    evaluatedStep: evaluatedStep ?? undefined,
    tasksStep: tasksStep ?? undefined,
  };
}

function bestOf(best: RunCheckpointManifest['best']): RunProgress['best'] {
  return best === null || best.loss === null ? undefined : { step: best.step, loss: best.loss };
}

/** Sections that decide nothing about the numbers. */
const FREE_SECTIONS = new Set(['output', 'checkpoints', 'watch', 'evaluation']);

/** Says which settings are others than when the checkpoint was written: they are allowed, but hardly meant silently. */
function noteChanges({ config: saved, engine }: RunCheckpointManifest, config: TrainConfig): void {
  const changes: string[] = [];
  const compare = (before: unknown, now: unknown, path: string): void => {
    if (FREE_SECTIONS.has(path) || JSON.stringify(before) === JSON.stringify(now)) return;
    if (isMapping(before) && isMapping(now)) {
      for (const key of new Set([...Object.keys(before), ...Object.keys(now)]))
        compare(before[key], now[key], path === '' ? key : `${path}.${key}`);
      return;
    }
    changes.push(`${path}: ${JSON.stringify(before) ?? 'unset'} -> ${JSON.stringify(now) ?? 'unset'}`);
  };
  compare(saved, config, '');
  if (engine.threads !== getThreads()) changes.push(`threads: ${engine.threads} -> ${getThreads()}`);
  if (engine.libtorch !== torchVersion()) changes.push(`libtorch: ${engine.libtorch} -> ${torchVersion()}`);
  if (changes.length > 0)
    log(`changed since the checkpoint (the numbers will differ): ${changes.slice(0, 8).join('; ')}`);
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuseOtherData(
  path: string,
  { data, totalSteps }: RunCheckpointManifest,
  identity: RunIdentity,
): void {
  const { config, dataRows, rowsPerStep } = identity;
  const here = { rows: dataRows, seed: config.seed, shuffle: config.data.shuffle, rowsPerStep };
  for (const key of ['rows', 'seed', 'shuffle', 'rowsPerStep'] as const)
    if (data[key] !== here[key])
      throw new InputError(
        `${path} belongs to a run with ${DATA_WORDS[key]} ${data[key]}, this one has ${here[key]}; resume with the same data, ` +
          'seed and batch size, or start anew from its weights (model.path).',
      );
  const { schedule, schedule_steps: ownLength } = config.training;
  if (totalSteps !== identity.totalSteps && schedule !== 'constant' && ownLength === undefined)
    throw new InputError(
      `${path} belongs to a run of ${totalSteps} steps, this one has ${identity.totalSteps}: the learning rates would differ; ` +
        'resume with the same number, or start anew from its weights (model.path).',
    );
}

const DATA_WORDS = {
  rows: 'a number of rows of',
  seed: 'the seed',
  shuffle: 'data.shuffle',
  rowsPerStep: 'a number of rows a step of',
} as const;

/** Tensors of a file or folder by name; each read when asked for. */
function readerOf(path: string): (name: string) => Tensor | undefined {
  const { tensors } = openSafetensorsModel(path);
  return (name) => {
    const entry = tensors.get(name);
    if (entry === undefined || !isFloatDType(entry.dtype)) return undefined;
    const range = { path: entry.file, start: entry.byteStart, end: entry.byteEnd };
    const bytes = readTensorBytes({ ...entry, ranges: [range] });
    return tensorFromBytes(bytes, entry.shape, entry.dtype);
  };
}
