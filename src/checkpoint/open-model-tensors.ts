/** Opens a checkpoint as the tensors of one whole model, whatever its container, naming and number of ranks. */
import { join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus, readJsonFile, sameBytes, type TensorView, viewBytes } from '../formats/index.js';
import { log } from '../log/index.js';
import { isAdapterHalf } from './adapters/adapter-halves.js';
import { PEFT_PREFIX, parseAdapterPart, withoutAdapterKey } from './adapters/adapter-names.js';
import { joinRanks } from './join-ranks.js';
import { knownNames, type ModelTensors, sortTensors } from './model-tensors.js';
import { type ModelCheckpoint, openModelCheckpoint } from './open-model-checkpoint.js';
import { DEFAULT_SHARD_THRESHOLD, type ParallelLayout } from './parallel-layout.js';
import { withoutEmptyBiases } from './quantized/empty-biases.js';
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
  /** Of the ranks. Default: layout.json beside them, else model parallelism alone. */
  readonly layout?: ParallelLayout | undefined;
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
  { path, ranks }: ModelCheckpoint,
  tables: WeightTables,
  { layout, shapes }: WholeModelOptions = {},
): ModelTensors {
  const parts = ranks.map((named) =>
    withoutEmptyBiases(sortTensors(unwrapped(path, named, tables), tables), shapes),
  );
  const [first] = parts;
  if (first === undefined) throw new InputError(`${path} holds no tensors.`);
  const known = layout ?? readLayout(path);
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
    others: joinOthers(path, parts),
  };
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

/** Counters may differ between ranks (the state of a generator); what is bigger is content that nobody knows how to join. */
const COUNTER_BYTES = 1024;

/** Counters that are the same on all ranks of one save. */
const STEPS: ReadonlySet<string> = new Set(['global_step', 'step_num', 'epoch_num', 'current_iterator_step']);

function joinOthers(path: string, parts: readonly ModelTensors[]): Map<string, TensorView> {
  const joined = new Map<string, TensorView>();
  for (const { others } of parts)
    for (const [name, view] of others) {
      const first = joined.get(name);
      if (first === undefined) joined.set(name, view);
      else if (STEPS.has(name) && !sameBytes(first, view))
        throw new InputError(`${path}: ${name} differs between the ranks: they are of different steps.`);
      else if (viewBytes(view) > COUNTER_BYTES && !sameBytes(first, view))
        throw new InputError(
          `${path}: "${name}" is no parameter of this model and differs between the ranks, so that it cannot be joined; ` +
            'check that config and checkpoint belong together.',
        );
    }
  return joined;
}

function readLayout(path: string): ParallelLayout | undefined {
  const file = join(path, LAYOUT_FILE);
  if (fileStatus(file) === undefined) return undefined;
  return parseConfig(layoutSchema, readJsonFile(file), { source: file });
}

function modelParallelOnly(path: string, ranks: number): ParallelLayout {
  log(
    `${path}: no ${LAYOUT_FILE}; the ${ranks} ranks are taken for model-parallel parts (else give their layout)`,
  );
  return {
    dataParallel: 1,
    modelParallel: ranks,
    pipelineStages: 1,
    optimizerShard: false,
    shardThreshold: DEFAULT_SHARD_THRESHOLD,
  };
}
