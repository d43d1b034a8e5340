/** What is to be converted: its container, its family, its tensors. */
import { dirname } from 'node:path';
import {
  ANY_NAMES,
  countKnown,
  isAdapterHalf,
  type ModelCheckpoint,
  type ModelTensors,
  NameTable,
  type OpenModelCheckpointOptions,
  openModelCheckpoint,
  type ParallelLayout,
  parseAdapterName,
  ShardingTable,
  turnIntegers,
  type WeightTables,
  wholeModel,
} from '../../checkpoint/index.js';
import { readConfigFile } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { log } from '../../log/index.js';
import type { Module } from '../../nn/index.js';
import type { Architecture, ModelFamily } from '../family.js';
import { families, findConfigIn, parseArchitecture } from '../registry.js';
import { embeddedConfig } from './gguf/gguf-config.js';

export interface ConversionSource {
  readonly checkpoint: ModelCheckpoint;
  /** undefined: no family of ours; its tensors keep their names. */
  readonly family: ModelFamily | undefined;
  /** Those of the family, or of none. */
  readonly tables: WeightTables;
  /** undefined: no config lies beside the weights, and none was given. */
  readonly architecture: Architecture | undefined;
  readonly model: ModelTensors;
}

export interface SourceOptions extends OpenModelCheckpointOptions {
  /** Keep an adapter that has more than low-rank matrices as it is, under its names. Default: it is sorted as a model is. */
  readonly isKeepingAdapters?: boolean;
  readonly configPath?: string | undefined;
  readonly layout?: ParallelLayout | undefined;
  /** MindSpore's strategy file of the ranks, or a folder of them. */
  readonly strategy?: string | undefined;
}

/** @throws InputError for what is not readable, and for the parts of many ranks of an unknown family */
export function openSource(path: string, options: SourceOptions = {}): ConversionSource {
  const checkpoint = openModelCheckpoint(path, options);
  if (options.isKeepingAdapters === true && isRichAdapter(checkpoint))
    return {
      checkpoint,
      family: undefined,
      tables: NO_TABLES,
      architecture: undefined,
      model: wholeModel(checkpoint, NO_TABLES),
    };
  const folder = fileStatus(path)?.isDirectory() === true ? path : dirname(path);
  const architecture = architectureOf(path, folder, options.configPath);
  const family =
    architecture === undefined
      ? recogniseFamily(checkpoint)
      : families.find(({ name }) => name === architecture.family);
  if (family === undefined && checkpoint.ranks.some((tensors) => tensors.has('token_embd.weight')))
    log(
      `${path}: tensors in llama.cpp's layout and no config to tell whose; they keep these names. Give the config with ` +
        '--config.',
    );
  if (family === undefined && checkpoint.ranks.length > 1)
    throw new InputError(
      `${path} holds ${checkpoint.ranks.length} ranks of a model that no family here knows, so that nobody can tell how to join ` +
        'them; join them where they were written, or give the config with --config.',
    );
  const tables: WeightTables = architecture?.tables ?? family?.tables ?? NO_TABLES;
  const module = architecture?.createModel();
  const shapes = module && shapesOf(module);
  const whole = wholeModel(checkpoint, tables, {
    layout: options.layout,
    strategy: options.strategy,
    shapes,
  });
  const model = module === undefined ? whole : turnIntegers(whole, module);
  if (shapes !== undefined) {
    refuseOtherShapes(path, checkpoint, model, shapes);
    refuseOtherBiases(path, model, shapes);
  }
  return { checkpoint, family, tables, architecture, model };
}

/** What a run of PEFT trained, if it is more than the matrices that every spelling has. */
export function isRichAdapter({ isAdapterState, ranks }: ModelCheckpoint): boolean {
  const names = ranks.flatMap((tensors) => [...tensors.keys()]);
  return isAdapterState === true && names.some((name) => parseAdapterName(name) === undefined);
}

/**
 * By the config given, that in a GGUF of ours, or that beside the weights; undefined without any, and for the config of a
 * family that is not ours. @throws InputError for a faulty config of one that is
 */
function architectureOf(
  path: string,
  folder: string,
  configPath: string | undefined,
): Architecture | undefined {
  const embedded = configPath === undefined ? embeddedConfig(path) : undefined;
  const file = configPath ?? findConfigIn(folder);
  if (embedded === undefined && file === undefined) return undefined;
  const { config, source } = embedded ?? { config: readConfigFile(file!), source: file! };
  return families.some((family) => family.recognises(config)) ? parseArchitecture(config, source) : undefined;
}

type Shapes = ReadonlyMap<string, readonly number[]>;

function shapesOf(module: Module): Shapes {
  return new Map(module.namedParameters().map(([ownPath, { shape }]) => [ownPath, shape]));
}

/** @throws InputError for a weight that the config wants in another shape */
function refuseOtherShapes(
  path: string,
  { ranks }: ModelCheckpoint,
  { weights }: ModelTensors,
  shapes: Shapes,
): void {
  for (const [ownPath, view] of weights) {
    const wanted = shapes.get(ownPath);
    if (wanted === undefined || wanted.join() === view.shape.join()) continue;
    throw new InputError(
      `${path}: tensor "${view.source}" has shape [${view.shape.join(', ')}], the config asks for [${wanted.join(', ')}]; ` +
        `config and weights do not belong together${ranks.length > 1 ? ', or the ranks have another layout (--source-layout)' : ''}.`,
    );
  }
}

/** @throws InputError for a bias of a quantised layer that is not zero and that the config does not declare: it changes what the model computes */
function refuseOtherBiases(path: string, { weights }: ModelTensors, shapes: Shapes): void {
  for (const [ownPath, { integers }] of weights) {
    if (integers === undefined) continue;
    const biasPath = ownPath.replace(/weight$/, 'bias');
    const bias = weights.get(biasPath);
    if (bias === undefined || shapes.has(biasPath)) continue;
    throw new InputError(
      `${path}: tensor "${bias.source}" is a bias that the config does not declare, and it is not zero; with it the model is another one. ` +
        'Check that config and weights belong together.',
    );
  }
}

/** Says so where weights of the model are not there; of an adapter alone none is expected. */
export function warnOfMissing(path: string, { architecture, model }: ConversionSource): void {
  const parameters = [...model.weights.keys()].filter((name) => !isAdapterHalf(name));
  if (architecture === undefined || parameters.length === 0) return;
  const wanted = architecture.createModel().namedParameters();
  const present = wanted.filter(([name, { shape }]) => {
    const [count = 0] = model.weights.get(name)?.shape ?? [];
    // Of experts some may be there.
    return model.weights.has(name) && (architecture.names.piecesOf(name) === undefined || count === shape[0]);
  }).length;
  if (present < wanted.length)
    log(`${path}: only ${present} of the model's ${wanted.length} tensors are there`);
}

/** Tensors of other models are carried over under their own names. */
const NO_TABLES: WeightTables = {
  names: new NameTable([]),
  schemes: new Map([['published', ANY_NAMES]]),
  sharding: new ShardingTable([]),
};

/** The family that knows most names of weights, if that is more than half of them. */
function recogniseFamily({ ranks }: ModelCheckpoint): ModelFamily | undefined {
  const named = new Map(ranks.flatMap((tensors) => [...tensors]));
  const counts = families.map((family) => ({ family, ...countKnown(named, family.tables) }));
  const [best] = counts.sort((a, b) => b.known - a.known);
  return best !== undefined && best.known * 2 > best.total ? best.family : undefined;
}
