/** A checkpoint in any container: one model, or the parts of many ranks. */
import { basename, join } from 'node:path';
import { InputError } from '../errors/index.js';
import { type FileTensor, fileStatus, listFolder, type TensorView, viewOf } from '../formats/index.js';
import { log } from '../log/index.js';
import { adapterOfState } from './adapters/adapter-state.js';
import { type ContainerFormat, openModelFiles } from './containers.js';
import { openZeroCheckpoint } from './deepspeed.js';
import { findStep, isStepFolder, isZeroCheckpoint, modelStateFiles } from './deepspeed-files.js';
import { openUniversalCheckpoint } from './deepspeed-universal.js';
import { joinIntegerTensors } from './quantized/integer-tensors.js';

export interface ModelCheckpoint {
  readonly path: string;
  readonly format: ContainerFormat;
  readonly files: readonly string[];
  /** One for a whole model; else `rank_0`, `rank_1`, …. Tensors by their name in the files. */
  readonly ranks: readonly ReadonlyMap<string, TensorView>[];
  /** Where its files are what a run of PEFT trained: an adapter, under the names of an adapter's own file. Default false. */
  readonly isAdapterState?: boolean;
}

const RANK_FOLDER = /^rank_(\d+)$/;

export interface OpenModelCheckpointOptions {
  /**
   * Where a tensor whose elements lie at strides (a saved transpose) is copied row by row. Default: such a tensor is an
   * InputError.
   */
  readonly makeContiguous?: (tensor: FileTensor) => FileTensor;
  /** Of a ZeRO checkpoint: the float32 master weights (default), or the weights as the model held them. */
  readonly zeroWeights?: 'master' | 'model' | undefined;
}

/**
 * @param path a file, an index, a folder, a folder of rank_0, rank_1, …, or a ZeRO checkpoint of DeepSpeed
 * @throws InputError if nothing readable is there, ranks are missing, or a rank has several checkpoints of one step
 */
export function openModelCheckpoint(path: string, options: OpenModelCheckpointOptions = {}): ModelCheckpoint {
  const checkpoint = openFiles(path, options);
  const [tensors, second] = checkpoint.ranks;
  const adapter = tensors === undefined || second !== undefined ? undefined : adapterOfState(path, tensors);
  return adapter === undefined ? checkpoint : { ...checkpoint, ranks: [adapter], isAdapterState: true };
}

function openFiles(path: string, options: OpenModelCheckpointOptions): ModelCheckpoint {
  if (isZeroCheckpoint(path)) return openZero(path, options);
  if (isStepFolder(path)) return openWhole(path, path, options);
  const folders = rankFolders(path);
  const parts =
    folders === undefined ? [openModelFiles(path)] : rankFiles(folders).map((file) => openModelFiles(file));
  const [first] = parts;
  if (first === undefined) throw new InputError(`${path} holds no rank.`);
  return {
    path,
    format: first.format,
    files: parts.flatMap(({ files }) => files),
    ranks: parts.map(({ tensors }, rank) =>
      joinIntegerTensors(path, viewsOf(tensors, path, options, parts.length > 1 ? `rank_${rank}/` : '')),
    ),
  };
}

function openZero(path: string, options: OpenModelCheckpointOptions): ModelCheckpoint {
  const step = findStep(path);
  if (step.kind === 'whole') return openWhole(path, step.folder, options);
  if (step.kind === 'universal') return openUniversal(path, step.folder, options);
  const { stage, tensors, fp32, folder } = openZeroCheckpoint(path);
  const wanted = options.zeroWeights ?? 'master';
  if (wanted === 'model' && stage === 3)
    throw new InputError(
      `${folder}: ZeRO stage 3 keeps no whole 16-bit weights; take the master weights and cast them.`,
    );
  const picked = wanted === 'master' ? fp32 : tensors;
  return inTorchFiles(path, picked, options);
}

function inTorchFiles(
  path: string,
  tensors: ReadonlyMap<string, FileTensor>,
  options: OpenModelCheckpointOptions,
): ModelCheckpoint {
  const files = [...tensors.values()].flatMap((tensor) => tensor.ranges.map((range) => range.path));
  return { path, format: 'bin', files: [...new Set(files)], ranks: [viewsOf(tensors, path, options, '')] };
}

/** Stage 0: the weights lie whole in the model's file, and master weights nowhere. */
function openWhole(path: string, folder: string, options: OpenModelCheckpointOptions): ModelCheckpoint {
  const [file, second] = modelStateFiles(folder);
  if (file === undefined) throw new InputError(`${folder} holds no *_model_states.pt.`);
  if (second !== undefined || basename(file).startsWith('zero_'))
    throw new InputError(
      `${folder} holds *_model_states.pt of each rank and no *_optim_states.pt, where ZeRO stage 3 keeps the weights; the ` +
        'checkpoint is not complete.',
    );
  return inTorchFiles(path, openModelFiles(file).tensors, options);
}

function openUniversal(path: string, folder: string, options: OpenModelCheckpointOptions): ModelCheckpoint {
  if (options.zeroWeights === 'model')
    throw new InputError(
      `${folder} is a universal checkpoint: take its float32 master weights and cast them, or name its *_model_states.pt.`,
    );
  return inTorchFiles(path, openUniversalCheckpoint(folder), options);
}

function viewsOf(
  tensors: ReadonlyMap<string, FileTensor>,
  path: string,
  { makeContiguous }: OpenModelCheckpointOptions,
  sourcePrefix: string,
): Map<string, TensorView> {
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const straight = tensor.strides === undefined ? tensor : makeContiguous?.(tensor);
      if (straight !== undefined) return [name, { ...viewOf(straight), source: sourcePrefix + name }];
      throw new InputError(
        `${path}: tensor "${name}" was saved as a view whose elements do not lie row by row; convert the file first ` +
          '(xinghe convert).',
      );
    }),
  );
}

/** rank_0 … rank_{N-1} in a folder; undefined if it holds none. */
function rankFolders(path: string): string[] | undefined {
  if (fileStatus(path)?.isDirectory() !== true) return undefined;
  const numbers = listFolder(path)
    .flatMap((name) => RANK_FOLDER.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  if (numbers.length === 0) return undefined;
  const missing = numbers.findIndex((number, index) => number !== index);
  if (missing >= 0)
    throw new InputError(
      `${path} holds rank_${numbers.join(', rank_')}, but not rank_${missing}; a part of the model is missing.`,
    );
  return numbers.map((number) => join(path, `rank_${number}`));
}

interface RankFile {
  readonly path: string;
  /** `EPOCH_STEP` of PREFIX-EPOCH_STEP.ckpt, as training names each save; undefined for another name. */
  readonly step: string | undefined;
}

/**
 * One checkpoint file for each rank, all of one step: the newest that every rank has.
 * @throws InputError if there is no such step, or a folder holds nothing or several files of it
 */
function rankFiles(folders: readonly string[]): string[] {
  const held = folders.map(filesOfRank);
  const dated = held.map((files) => files.filter(({ step }) => step !== undefined));
  const isSingle = held.every((files) => files.length === 1);
  if (isSingle && dated.every((files) => files.length === 0)) return held.flat().map(({ path }) => path);
  const common = stepsOf(dated[0]).filter((step) => dated.every((files) => stepsOf(files).includes(step)));
  const [step] = common.sort(newestFirst);
  if (step === undefined)
    throw new InputError(
      `${join(folders[0] ?? '', '..')}: no step of which every rank has a checkpoint: ` +
        `${folders
          .map((folder, rank) => `${basename(folder)} has ${showFiles(held[rank] ?? [])}`)
          .slice(0, 4)
          .join('; ')}. ` +
        'Leave one checkpoint of one step in each folder.',
    );
  for (const [rank, files] of dated.entries()) {
    const [newest] = stepsOf(files).sort(newestFirst);
    if (newest !== step)
      log(
        `${folders[rank]}: its newest checkpoint is ${newest}, but the newest that every rank has is ${step}; taking that`,
      );
    else if (files.length > 1)
      log(`${folders[rank]}: ${files.length} checkpoints, taking the newest, ${step}`);
  }
  return dated.map((files, rank) => {
    const [only, second] = files.filter((file) => file.step === step);
    if (only !== undefined && second === undefined) return only.path;
    throw new InputError(
      `${folders[rank]} holds ${showFiles(held[rank] ?? [])}; leave one checkpoint there, or name a file.`,
    );
  });
}

function filesOfRank(folder: string): RankFile[] {
  const names = listFolder(folder).filter((name) => /\.(ckpt|safetensors|bin|pt)$/.test(name));
  if (names.length === 0) throw new InputError(`${folder} holds no checkpoint file.`);
  return names.map((name) => {
    const [, epoch, step] = /-(\d+)_(\d+)\.[^.]+$/.exec(name) ?? [];
    const dated = epoch === undefined || step === undefined ? undefined : `${Number(epoch)}_${Number(step)}`;
    return { path: join(folder, name), step: dated };
  });
}

function stepsOf(files: readonly RankFile[] | undefined): string[] {
  return [...new Set((files ?? []).flatMap(({ step }) => step ?? []))];
}

function newestFirst(a: string, b: string): number {
  const [epochA = 0, stepA = 0] = a.split('_').map(Number);
  const [epochB = 0, stepB = 0] = b.split('_').map(Number);
  return epochB - epochA || stepB - stepA;
}

function showFiles(files: readonly RankFile[]): string {
  return files
    .slice(0, 5)
    .map(({ path }) => basename(path))
    .join(', ');
}
