/** Loads a model folder or weight file as a model that can run. */
import { dirname } from 'node:path';
import {
  type LoadWeightsOptions,
  loadWeights,
  type ShardingTable,
  type TensorCut,
  withoutValues,
} from '../checkpoint/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus } from '../formats/index.js';
import type { InitialPart } from '../nn/index.js';
import { isFloatDType } from '../tensor/index.js';
import type { CausalLm } from './causal-lm.js';
import { embeddedConfig } from './convert/gguf/gguf-config.js';
import type { Architecture } from './family.js';
import { findConfig, loadArchitecture, parseArchitecture } from './registry.js';
import { modelCuts, type SplitPlace, shrinkParameters } from './split/model-cuts.js';

export interface LoadModelOptions extends Omit<LoadWeightsOptions, 'cuts' | 'isHere'> {
  /** A config that lies elsewhere; default: that of a GGUF, or beside the weights. */
  readonly configPath?: string | undefined;
  /** What a config that is no file describes; no other is looked for. */
  readonly architecture?: Architecture | undefined;
  /** What the model must give. Default logits; any: whatever it is. */
  readonly output?: 'logits' | 'score' | 'any' | undefined;
  /** Read the part of this one of several processes alone, which `SplitModel` then makes them compute with. Default: all. */
  readonly place?: SplitPlace | undefined;
  /** Which parameters are read at all, told by the model without values: those of a stage of a pipeline. Default: all. */
  readonly partOf?: ((model: CausalLm) => (path: string) => boolean) | undefined;
}

export interface LoadedModel {
  readonly model: CausalLm;
  readonly architecture: Architecture;
  /** Of parameters of which a part was read. Default: none. */
  readonly cuts?: ReadonlyMap<string, TensorCut> | undefined;
}

/**
 * @param path a folder (config beside the weights) or a weight file
 * @throws InputError for a missing path, and as the config and the weights demand
 */
export function loadModel(
  path: string,
  { configPath, architecture: given, output = 'logits', place, partOf, ...options }: LoadModelOptions = {},
): LoadedModel {
  const architecture = given ?? loadModelArchitecture(path, configPath, 'any');
  checkOutput(architecture, path, output);
  const model = architecture.createModel();
  const isHere = partOf?.(model);
  const cuts = place && cutsHere(modelCuts(model, architecture.tables.sharding, place), isHere);
  if (cuts !== undefined) shrinkParameters(model, cuts);
  loadWeights(model, architecture.tables, path, { ...options, cuts, isHere });
  return { model, architecture, cuts };
}

/**
 * Gives a model without values the shapes of a rank's part.
 * @returns what `initializeModule` keeps of each parameter, and the cuts of those that are here
 */
export function shareParameters(
  model: CausalLm,
  table: ShardingTable,
  place: SplitPlace | undefined,
  partOf: LoadModelOptions['partOf'],
): { readonly part: InitialPart; readonly cuts: ReadonlyMap<string, TensorCut> } | undefined {
  const isHere = partOf?.(model);
  if (place === undefined && isHere === undefined) return undefined;
  const cuts =
    place === undefined ? new Map<string, TensorCut>() : cutsHere(modelCuts(model, table, place), isHere);
  const shapes = new Map(model.namedParameters().map(([path, { shape }]) => [path, shape] as const));
  shrinkParameters(model, cuts);
  return {
    cuts,
    part: {
      shapeOf: (path) => shapes.get(path) ?? [],
      of(path, whole) {
        const { dtype } = whole;
        if (isHere?.(path) === false && isFloatDType(dtype)) return withoutValues(whole.shape, dtype);
        return cuts.get(path)?.of(whole) ?? whole;
      },
    },
  };
}

/** What is not here keeps the shape of the whole. */
function cutsHere(
  cuts: ReadonlyMap<string, TensorCut>,
  isHere: ((path: string) => boolean) | undefined,
): ReadonlyMap<string, TensorCut> {
  return isHere === undefined ? cuts : new Map([...cuts].filter(([path]) => isHere(path)));
}

/** The architecture alone, by the config that `loadModel` would take. @throws InputError as there */
export function loadModelArchitecture(
  path: string,
  configPath?: string,
  output: LoadModelOptions['output'] = 'logits',
): Architecture {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path}: no such model folder or weight file.`);
  const folder = status.isDirectory() ? path : dirname(path);
  const embedded = configPath === undefined ? embeddedConfig(path) : undefined;
  const architecture =
    embedded === undefined
      ? loadArchitecture(configPath ?? findConfig(folder))
      : parseArchitecture(embedded.config, embedded.source);
  checkOutput(architecture, path, output);
  return architecture;
}

/** @throws InputError for a reward model where text is asked for, and the other way round */
function checkOutput(
  { output: given = 'logits' }: Architecture,
  path: string,
  wanted: LoadModelOptions['output'],
): void {
  if (wanted === 'any' || wanted === given) return;
  throw new InputError(
    given === 'score'
      ? `${path}: this is a reward model: it scores conversations (xinghe score) and writes no text; name the model that it was ` +
          'made from.'
      : `${path}: this is no reward model: it has no score.weight; train one with training.objective.loss: reward.`,
  );
}
