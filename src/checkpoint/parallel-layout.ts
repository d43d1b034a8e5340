/**
 * A model over many ranks, as MindSpore lays it out on disk: pipeline stages, in each stage data-parallel groups, in each
 * group the model-parallel ranks: rank = (stage * dp + group) * mp + part. With the optimiser sharded, the groups share
 * the rows of each big tensor instead of repeating it.
 */
import { InputError } from '../errors/index.js';
import { sliceRows, type TensorView, viewBytes } from '../formats/index.js';
import { type EndPaths, layerPattern, type NameTable } from './name-table.js';
import type { ShardingTable } from './sharding-table.js';

export interface ParallelLayout {
  readonly dataParallel: number;
  readonly modelParallel: number;
  readonly pipelineStages: number;
  /** Data-parallel groups share each tensor's rows. */
  readonly optimizerShard: boolean;
  /** Bytes of a rank's part from which it is shared; MindSpore's parallel_optimizer_threshold, default 64 KB. */
  readonly shardThreshold: number;
}

/** MindSpore's default of parallel_optimizer_threshold (in KB there: 64). */
export const DEFAULT_SHARD_THRESHOLD = 64 * 1024;

export function rankCount({ dataParallel, modelParallel, pipelineStages }: ParallelLayout): number {
  return dataParallel * modelParallel * pipelineStages;
}

/** Stages of each tensor: where the layer's number says; the embedding first, all else last. */
export class StageMap {
  readonly #stages: number;
  readonly #layers: number;
  readonly #ends: EndPaths | undefined;
  /** The output projection is the embedding: the last stage needs it too. */
  readonly #tied: boolean;

  /** @param paths all of a model's own paths @param ends of the model; undefined: all that is no layer is last */
  constructor(paths: Iterable<string>, stages: number, ends: EndPaths | undefined) {
    const layers = new Set<string>();
    let tied = true;
    for (const path of paths) {
      const { layer } = layerPattern(path);
      if (layer !== '') layers.add(layer);
      if (ends?.head !== undefined && path.startsWith(`${ends.head}.`)) tied = false;
    }
    this.#stages = stages;
    this.#layers = layers.size;
    this.#ends = ends;
    this.#tied = tied;
    if (stages > Math.max(1, this.#layers))
      throw new InputError(`${stages} pipeline stages for ${this.#layers} layers; give each stage a layer.`);
  }

  /** The stages that hold a tensor. Layers are shared evenly, the first stages taking one more. */
  of(path: string): readonly number[] {
    const { layer } = layerPattern(path);
    const last = this.#stages - 1;
    if (layer === '') {
      if (this.#ends === undefined || !path.startsWith(`${this.#ends.embedding}.`)) return [last];
      return this.#tied && last > 0 ? [0, last] : [0];
    }
    const each = Math.floor(this.#layers / this.#stages);
    const more = this.#layers % this.#stages;
    const index = Number(layer);
    const inFirst = more * (each + 1);
    return [index < inFirst ? Math.floor(index / (each + 1)) : more + Math.floor((index - inFirst) / each)];
  }
}

/** What a family's tables say of its layout. */
export interface ModelTables {
  readonly names: NameTable;
  readonly sharding: ShardingTable;
}

/**
 * The tensors of one rank.
 * @param tensors all of the model, by own path
 * @param tables of its family
 * @throws InputError if a tensor cannot be cut so
 */
export function tensorsOfRank(
  tensors: ReadonlyMap<string, TensorView>,
  { names, sharding }: ModelTables,
  layout: ParallelLayout,
  rank: number,
): Map<string, TensorView> {
  const { dataParallel, modelParallel, pipelineStages } = layout;
  const part = rank % modelParallel;
  const group = Math.floor(rank / modelParallel) % dataParallel;
  const stage = Math.floor(rank / modelParallel / dataParallel);
  const stages = new StageMap(tensors.keys(), pipelineStages, names.ends);
  const found = new Map<string, TensorView>();
  for (const [name, view] of tensors) {
    if (!stages.of(name).includes(stage)) continue;
    const cut = sharding.cut(name, view, part, modelParallel);
    const rows = cut.shape[0] ?? 1;
    const size = rows / dataParallel;
    found.set(name, isShared(cut, layout) ? sliceRows(cut, group * size, (group + 1) * size) : cut);
  }
  return found;
}

/** Is a rank's part (before sharing) shared between the data-parallel groups? */
function isShared(
  view: TensorView,
  { optimizerShard, dataParallel, shardThreshold }: ParallelLayout,
): boolean {
  return (
    optimizerShard &&
    dataParallel > 1 &&
    view.shape.length > 0 &&
    (view.shape[0] ?? 1) % dataParallel === 0 &&
    viewBytes(view) >= shardThreshold
  );
}
