/** A checkpoint in any container: one model, or the parts of many ranks. */
import { join } from 'node:path';
import { InputError } from '../errors/index.js';
import { type FileTensor, fileStatus, listFolder, type TensorView, viewOf } from '../formats/index.js';
import { log } from '../log/index.js';
import { type ContainerFormat, openModelFiles } from './containers.js';
import { openZeroCheckpoint } from './deepspeed.js';
import { findStep, isZeroCheckpoint, modelStateFiles } from './deepspeed-files.js';
import { openUniversalCheckpoint } from './deepspeed-universal.js';

export interface ModelCheckpoint {
  readonly path: string;
  readonly format: ContainerFormat;
  readonly files: readonly string[];
  /** One for a whole model; else `rank_0`, `rank_1`, …. Tensors by their name in the files. */
  readonly ranks: readonly ReadonlyMap<string, TensorView>[];
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
  if (isZeroCheckpoint(path)) return openZero(path, options);
  const folders = rankFolders(path);
  const parts =
    folders === undefined
      ? [openModelFiles(path)]
      : folders.map((folder) => openModelFiles(newestFile(folder)));
  const [first] = parts;
  if (first === undefined) throw new InputError(`${path} holds no rank.`);
  return {
    path,
    format: first.format,
    files: parts.flatMap(({ files }) => files),
    ranks: parts.map(({ tensors }, rank) =>
      viewsOf(tensors, path, options, parts.length > 1 ? `rank_${rank}/` : ''),
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
  const [file] = modelStateFiles(folder);
  if (file === undefined) throw new InputError(`${folder} holds no *_model_states.pt.`);
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

/** Training leaves PREFIX-EPOCH_STEP.ckpt for each save: the last one counts. */
function newestFile(folder: string): string {
  const names = listFolder(folder).filter((name) => /\.(ckpt|safetensors|bin|pt)$/.test(name));
  const [only] = names;
  if (only === undefined) throw new InputError(`${folder} holds no checkpoint file.`);
  if (names.length === 1) return join(folder, only);
  const dated = names.flatMap((name) => {
    const match = /-(\d+)_(\d+)\.[^.]+$/.exec(name);
    return match === null ? [] : [{ name, epoch: Number(match[1]), step: Number(match[2]) }];
  });
  const [newest, second] = dated.sort((a, b) => b.epoch - a.epoch || b.step - a.step);
  const isAmbiguous = second !== undefined && second.epoch === newest?.epoch && second.step === newest.step;
  if (newest === undefined || isAmbiguous)
    throw new InputError(
      `${folder} holds ${names.slice(0, 5).join(', ')}; leave one checkpoint there, or name a file.`,
    );
  log(`${folder}: ${names.length} checkpoints, taking the newest, ${newest.name}`);
  return join(folder, newest.name);
}
