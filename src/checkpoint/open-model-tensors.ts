/** Opens a checkpoint as the tensors of one whole model, whatever its container, naming and number of ranks. */
import { join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus, readJsonFile, sameBytes, type TensorView, viewBytes } from '../formats/index.js';
import { log } from '../log/index.js';
import { joinRanks } from './join-ranks.js';
import { type ModelTensors, sortTensors } from './model-tensors.js';
import { type ModelCheckpoint, openModelCheckpoint } from './open-model-checkpoint.js';
import { DEFAULT_SHARD_THRESHOLD, type ParallelLayout } from './parallel-layout.js';
import type { WeightTables } from './weight-tables.js';

/** Written beside rank_0, rank_1, …: MindSpore keeps the layout elsewhere, in its strategy files. */
export const LAYOUT_FILE = 'layout.json';

const layoutSchema = z.object({
  dataParallel: z.int().positive(),
  modelParallel: z.int().positive(),
  pipelineStages: z.int().positive(),
  optimizerShard: z.boolean(),
  shardThreshold: z.int().nonnegative().default(DEFAULT_SHARD_THRESHOLD),
});

export function openModelTensors(path: string, tables: WeightTables, layout?: ParallelLayout): ModelTensors {
  return wholeModel(openModelCheckpoint(path), tables, layout);
}

/** @param layout of the ranks. Default: layout.json beside them, else model parallelism alone */
export function wholeModel(
  { path, ranks }: ModelCheckpoint,
  tables: WeightTables,
  layout?: ParallelLayout,
): ModelTensors {
  const parts = ranks.map((named) => sortTensors(named, tables));
  const [first] = parts;
  if (first === undefined) throw new InputError(`${path} holds no tensors.`);
  const known = layout ?? readLayout(path);
  if (parts.length === 1 && known === undefined) return first;
  const placed = known ?? modelParallelOnly(path, parts.length);
  const join = (kind: 'weights' | 'states', pick: (part: ModelTensors) => TensorMap | undefined) =>
    joinRanks(
      parts.map((part) => pick(part) ?? new Map()),
      tables.sharding,
      placed,
      kind,
    );
  const prefixes = new Set(parts.flatMap(({ states }) => [...states.keys()]));
  return {
    ...first,
    weights: join('weights', ({ weights }) => weights),
    names: new Map(parts.flatMap(({ names }) => [...names])),
    states: new Map(
      [...prefixes].map((prefix) => [prefix, join('states', ({ states }) => states.get(prefix))]),
    ),
    others: joinOthers(path, parts),
  };
}

type TensorMap = ReadonlyMap<string, TensorView>;

/** Counters may differ between ranks (the state of a generator); what is bigger is content that nobody knows how to join. */
const COUNTER_BYTES = 1024;

function joinOthers(path: string, parts: readonly ModelTensors[]): Map<string, TensorView> {
  const joined = new Map<string, TensorView>();
  for (const { others } of parts)
    for (const [name, view] of others) {
      const first = joined.get(name);
      if (first === undefined) joined.set(name, view);
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
