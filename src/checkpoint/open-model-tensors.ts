/** A checkpoint as the tensors of one whole model, whatever container, spelling and number of ranks it comes in. */
import { join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus, readJsonFile, type TensorView } from '../formats/index.js';
import { log } from '../log/index.js';
import { type ModelTensors, sortTensors } from './model-tensors.js';
import { type Checkpoint, openCheckpoint } from './open-checkpoint.js';
import { DEFAULT_SHARD_THRESHOLD, joinRanks, type ParallelLayout } from './parallel-layout.js';
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
  return wholeModel(openCheckpoint(path), tables, layout);
}

/** @param layout of the ranks. Default: layout.json beside them, else model parallelism alone */
export function wholeModel(
  { path, ranks }: Checkpoint,
  tables: WeightTables,
  layout?: ParallelLayout,
): ModelTensors {
  const parts = ranks.map((named) => sortTensors(named, tables));
  const [first] = parts;
  if (first === undefined) throw new InputError(`${path} holds no tensors.`);
  if (parts.length === 1 && layout === undefined) return first;
  const known = layout ?? readLayout(path) ?? modelParallelOnly(path, parts.length);
  const join = (pick: (part: ModelTensors) => ReadonlyMap<string, TensorView> | undefined) =>
    joinRanks(
      parts.map((part) => pick(part) ?? new Map()),
      tables.sharding,
      known,
    );
  const prefixes = new Set(parts.flatMap(({ states }) => [...states.keys()]));
  return {
    dialect: first.dialect,
    weights: join(({ weights }) => weights),
    names: new Map(parts.flatMap(({ names }) => [...names])),
    states: new Map([...prefixes].map((prefix) => [prefix, join(({ states }) => states.get(prefix))])),
    // Equal on all ranks.
    others: first.others,
    skipped: first.skipped,
  };
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
