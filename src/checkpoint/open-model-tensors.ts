/** Opens a checkpoint as the tensors of one whole model, whatever its container, naming and number of ranks. */
import { join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus, type ParallelStrategy, readJsonFile, type TensorView } from '../formats/index.js';
import { log } from '../log/index.js';
import { isAdapterHalf } from './adapters/adapter-halves.js';
import { PEFT_PREFIX, parseAdapterPart, withoutAdapterKey } from './adapters/adapter-names.js';
import { joinOthers } from './join-others.js';
import { joinRanks } from './join-ranks.js';
import { knownNames, type ModelTensors, sortTensors } from './model-tensors.js';
import { type ModelCheckpoint, openModelCheckpoint } from './open-model-checkpoint.js';
import { DEFAULT_SHARD_THRESHOLD, type ParallelLayout } from './parallel-layout.js';
import { withoutEmptyBiases } from './quantized/empty-biases.js';
import { findStrategy, openStrategy } from './strategy/find-strategy.js';
import { joinByStrategy } from './strategy/join-by-strategy.js';
import type { WeightTables } from './weight-tables.js';
import { showTaken, unwrapNames } from './wrapped-names.js';

/** Written beside rank_0, rank_1, …: MindSpore keeps the layout elsewhere, in its strategy files. */
export const LAYOUT_FILE = 'layout.json';

const layoutSchema = z.object({
  dataParallel: z.int().positive(),
  modelParallel: z.int().positive(),
  pipelineStages: z.int().positive(),
  optimizerShard: z.boolean(),
  shardThreshold: z.int().nonnegative().default(DEFAULT_SHARD_THRESHOLD),
});

export interface WholeModelOptions {
  /** Of the ranks. Default: layout.json beside them, else a strategy file there, else model parallelism alone. */
  readonly layout?: ParallelLayout | undefined;
  /** MindSpore's strategy file of the ranks, or a folder of them; takes the place of a layout. Default: none. */
  readonly strategy?: string | undefined;
  /** What the config says of each parameter, by own path: tells copies from parts. Default: the bytes have to. */
  readonly shapes?: ReadonlyMap<string, readonly number[]> | undefined;
}

export function openModelTensors(
  path: string,
  tables: WeightTables,
  options: WholeModelOptions = {},
): ModelTensors {
  return wholeModel(openModelCheckpoint(path), tables, options);
}

export function wholeModel(
  { path, ranks: held }: ModelCheckpoint,
  tables: WeightTables,
  { layout, strategy: strategyPath, shapes }: WholeModelOptions = {},
): ModelTensors {
  const known = layout ?? (strategyPath === undefined ? readLayout(path) : undefined);
  const strategy = known === undefined ? strategyOf(path, held.length, strategyPath) : undefined;
  const ranks = strategy === undefined ? held : [joinByStrategy(path, held, strategy)];
  const parts = ranks.map((named) =>
    withoutEmptyBiases(sortTensors(unwrapped(path, named, tables), tables), shapes),
  );
  const [first] = parts;
  if (first === undefined) throw new InputError(`${path} holds no tensors.`);
  if (strategy !== undefined) refuseTorn(path, first.weights, tables);
  if (parts.length === 1 && known === undefined) return first;
  const placed = known ?? modelParallelOnly(path, parts.length);
  const { sharding } = tables;
  const { tensors: weights, copied } = joinRanks(
    parts.map((part) => part.weights),
    sharding,
    placed,
    { shapes },
  );
  if (copied.size > 0)
    log(`${path}: every rank has the whole of ${publishedNames(copied, first)}, which is taken once`);
  refuseTorn(path, weights, tables);
  const prefixes = new Set(parts.flatMap(({ states }) => [...states.keys()]));
  const stateOf = (prefix: string): TensorMap =>
    joinRanks(
      parts.map(({ states }) => states.get(prefix) ?? new Map<string, TensorView>()),
      sharding,
      placed,
      { kind: 'states', shapes, copied },
    ).tensors;
  return {
    ...first,
    weights,
    names: new Map(parts.flatMap(({ names }) => [...names])),
    states: new Map([...prefixes].map((prefix) => [prefix, stateOf(prefix)])),
    others: joinOthers(
      path,
      parts.map(({ others }) => others),
    ),
  };
}

/** Ranks alone need one, unless it is asked for. */
function strategyOf(path: string, ranks: number, asked: string | undefined): ParallelStrategy | undefined {
  if (asked !== undefined) return openStrategy(asked);
  const found = ranks > 1 ? findStrategy(path) : undefined;
  if (found !== undefined) log(`${path}: the ranks are joined as ${found.path} says`);
  return found;
}

function publishedNames(paths: Iterable<string>, { names }: ModelTensors): string {
  return [...paths].map((path) => names.get(path) ?? path).join(', ');
}

function unwrapped(path: string, named: TensorMap, tables: WeightTables): TensorMap {
  if (isPeftAdapter(named)) return named;
  const { tensors, taken } = unwrapNames(named, knownNames(tables));
  if (taken.size > 0) log(`${path}: taken off the names of tensors: ${showTaken(taken)}`);
  return tensors;
}

/** The file of an adapter, in which `base_model.model.` is part of the names; a state dict of the whole model has more. */
function isPeftAdapter(named: TensorMap): boolean {
  const names = [...named.keys()];
  return (
    names.every((name) => name.startsWith(PEFT_PREFIX)) &&
    names.some((name) => parseAdapterPart(name)?.kind === 'part' && withoutAdapterKey(name) === name)
  );
}

/**
 * Norms are as long as the rows of the embedding in all families, and what is cut by columns has as many rows: parts of another
 * layout show here at the latest.
 */
function refuseTorn(path: string, weights: TensorMap, { names, sharding }: WeightTables): void {
  const width =
    names.ends === undefined ? undefined : weights.get(`${names.ends.finalNorm}.weight`)?.shape[0];
  if (width === undefined) return;
  for (const [ownPath, { shape, source }] of weights) {
    const dim = ownPath === names.embeddingWeight ? 1 : 0;
    const isAsWide = dim === 1 || (!isAdapterHalf(ownPath) && sharding.splitOf(ownPath)?.dim === 1);
    if (!isAsWide || shape[dim] === width) continue;
    throw new InputError(
      `${path}: joined, "${source}" is [${shape.join(', ')}] and the last norm [${width}], which do not fit each other: the ` +
        'ranks share their tensors another way. Give the layout with --source-layout, such as dp=2,optimizer-shard.',
    );
  }
}

type TensorMap = ReadonlyMap<string, TensorView>;

function readLayout(path: string): ParallelLayout | undefined {
  const file = join(path, LAYOUT_FILE);
  if (fileStatus(file) === undefined) return undefined;
  return parseConfig(layoutSchema, readJsonFile(file), { source: file });
}

function modelParallelOnly(path: string, ranks: number): ParallelLayout {
  log(
    `${path}: no ${LAYOUT_FILE} and no strategy file; the ${ranks} ranks are taken for model-parallel parts (else give their layout)`,
  );
  return {
    dataParallel: 1,
    modelParallel: ranks,
    pipelineStages: 1,
    optimizerShard: false,
    shardThreshold: DEFAULT_SHARD_THRESHOLD,
  };
}
