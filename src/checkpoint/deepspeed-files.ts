/** Finds the files of a DeepSpeed ZeRO checkpoint: the step, and one file of each kind per rank. */
import { basename, join } from 'node:path';
import { InputError } from '../errors/index.js';
import { decodeUtf8, fileStatus, listFolder, readFileStart } from '../formats/index.js';

/** The files of one step of a ZeRO checkpoint, by rank. */
export interface ZeroFiles {
  readonly folder: string;
  /** One in stages 1 and 2, one for each rank in stage 3. */
  readonly modelStates: readonly string[];
  readonly optimizerStates: readonly string[];
}

const MODEL_STATES = /^(?:zero_pp_rank_(?<rank>\d+)_)?mp_rank_(?<part>\d+)_model_states\.pt$/;
const OPTIMIZER_STATES = /^(?:bf16_|fp16_)?zero_pp_rank_(?<rank>\d+)_mp_rank_(?<part>\d+)_optim_states\.pt$/;
const MAX_TAG_BYTES = 1024;

/**
 * What a folder of DeepSpeed's holds: the shares of ranks (ZeRO), a universal checkpoint (one folder of states for each
 * parameter), or the whole weights alone (stage 0).
 */
export type DeepspeedKind = 'zero' | 'universal' | 'whole';

/** Where a universal checkpoint keeps its parameters. */
export const UNIVERSAL_FOLDER = 'zero';

/** Whether a folder is a ZeRO checkpoint, of one step or with a `latest` that names one. */
export function isZeroCheckpoint(path: string): boolean {
  if (!(fileStatus(path)?.isDirectory() ?? false)) return false;
  if (kindOf(path) !== undefined && kindOf(path) !== 'whole') return true;
  return LATEST.some((name) => fileStatus(join(path, name))?.isFile() ?? false);
}

/** Is it the folder of one step, of any kind? */
export function isStepFolder(folder: string): boolean {
  return fileStatus(folder)?.isDirectory() === true && kindOf(folder) !== undefined;
}

const LATEST = ['latest', 'latest_universal'];

function kindOf(folder: string): DeepspeedKind | undefined {
  const names = listFolder(folder);
  if (names.some((name) => OPTIMIZER_STATES.test(name))) return 'zero';
  if (!names.some((name) => MODEL_STATES.test(name))) return undefined;
  if (fileStatus(join(folder, UNIVERSAL_FOLDER))?.isDirectory() === true) return 'universal';
  return 'whole';
}

/** The folder of the step that `path` is, or that its `latest` names. @throws InputError if there is none */
export function findStep(path: string): { readonly folder: string; readonly kind: DeepspeedKind } {
  const kind = kindOf(path);
  return kind === undefined || kind === 'whole' ? latestStep(path) : { folder: path, kind };
}

/**
 * The files of the step that `path` is, or that its `latest` names.
 * @throws InputError if there are none, if ranks are missing, or if the model is split between them
 */
export function findZeroFiles(path: string): ZeroFiles {
  const { folder } = findStep(path);
  const names = listFolder(folder);
  const experts = names.find((name) => name.startsWith('expp_rank_') || /^layer_\d+_expert_\d+_/.test(name));
  if (experts !== undefined)
    throw new InputError(
      `${folder} holds experts (${experts}), which are not read; convert it with DeepSpeed.`,
    );
  return {
    folder,
    modelStates: byRank(folder, names, MODEL_STATES, '*_model_states.pt'),
    optimizerStates: byRank(folder, names, OPTIMIZER_STATES, '*zero_pp_rank_*_optim_states.pt'),
  };
}

function latestStep(path: string): { readonly folder: string; readonly kind: DeepspeedKind } {
  const latest = LATEST.map((name) => join(path, name)).find((file) => fileStatus(file)?.isFile() ?? false);
  if (latest === undefined)
    throw new InputError(
      `${path} is no DeepSpeed checkpoint: it has neither *_optim_states.pt nor a file "latest" that names a step.`,
    );
  const tag = decodeUtf8(readFileStart(latest, MAX_TAG_BYTES), latest).trim();
  const isPlain = tag !== '' && tag !== '.' && tag !== '..' && basename(tag) === tag && !tag.includes('\0');
  const folder = join(path, tag);
  const kind = isPlain && fileStatus(folder)?.isDirectory() ? kindOf(folder) : undefined;
  if (kind !== undefined) return { folder, kind };
  throw new InputError(
    `${latest} names ${JSON.stringify(tag)}, which is no folder with *_optim_states.pt beside it; ` +
      'name the folder of a step itself.',
  );
}

/** The model's files of one step, by rank. @throws InputError as findZeroFiles */
export function modelStateFiles(folder: string): string[] {
  return byRank(folder, listFolder(folder), MODEL_STATES, '*_model_states.pt');
}

function byRank(folder: string, names: readonly string[], pattern: RegExp, wanted: string): string[] {
  const ranks = new Map<number, string>();
  for (const name of names) {
    const groups = pattern.exec(name)?.groups;
    if (groups === undefined) continue;
    if (Number(groups.part) !== 0)
      throw new InputError(
        `${join(folder, name)} is a part of a model that was split between ranks (model or pipeline parallel), ` +
          'which is not read; convert the checkpoint with DeepSpeed.',
      );
    const rank = Number(groups.rank ?? 0);
    const other = ranks.get(rank);
    if (other !== undefined)
      throw new InputError(`${folder} holds both ${other} and ${name} for rank ${rank}.`);
    ranks.set(rank, name);
  }
  if (ranks.size === 0) throw new InputError(`${folder} holds no ${wanted}; the checkpoint is not complete.`);
  return Array.from({ length: ranks.size }, (_, rank) => {
    const name = ranks.get(rank);
    if (name !== undefined) return join(folder, name);
    throw new InputError(
      `${folder} holds no ${wanted} of rank ${rank}, but of higher ones; it is not complete.`,
    );
  });
}
