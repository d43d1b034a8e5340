/**
 * A model over many ranks, as MindSpore lays it out on disk: pipeline stages, in each stage data-parallel groups, in each
 * group the model-parallel ranks: rank = (stage * dp + group) * mp + part. With the optimiser sharded, the groups share
 * the rows of each big tensor instead of repeating it.
 */
import { InputError } from '../errors/index.js';
import { sameBytes, sliceRows, stackRows, type TensorView, viewBytes } from '../formats/index.js';
import { layerPattern } from './name-table.js';
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
  /** The output projection is the embedding: the last stage needs it too. */
  readonly #tied: boolean;

  /** @param names all of a model's own paths */
  constructor(names: Iterable<string>, stages: number) {
    const layers = new Set<string>();
    let tied = true;
    for (const name of names) {
      const { layer } = layerPattern(name);
      if (layer !== '') layers.add(layer);
      if (name.startsWith('lmHead.')) tied = false;
    }
    this.#stages = stages;
    this.#layers = layers.size;
    this.#tied = tied;
    if (stages > Math.max(1, this.#layers))
      throw new InputError(`${stages} pipeline stages for ${this.#layers} layers; give each stage a layer.`);
  }

  /** The stages that hold a tensor. Layers are shared evenly, the first stages taking one more. */
  of(own: string): readonly number[] {
    const { layer } = layerPattern(own);
    const last = this.#stages - 1;
    if (layer === '') {
      if (!own.startsWith('embedTokens.')) return [last];
      return this.#tied && last > 0 ? [0, last] : [0];
    }
    const each = Math.floor(this.#layers / this.#stages);
    const more = this.#layers % this.#stages;
    const index = Number(layer);
    const inFirst = more * (each + 1);
    return [index < inFirst ? Math.floor(index / (each + 1)) : more + Math.floor((index - inFirst) / each)];
  }
}

/**
 * The tensors of one rank.
 * @param tensors all of the model, by own path
 * @throws InputError if a tensor cannot be cut so
 */
export function tensorsOfRank(
  tensors: ReadonlyMap<string, TensorView>,
  sharding: ShardingTable,
  layout: ParallelLayout,
  rank: number,
): Map<string, TensorView> {
  const { dataParallel, modelParallel, pipelineStages } = layout;
  const part = rank % modelParallel;
  const group = Math.floor(rank / modelParallel) % dataParallel;
  const stage = Math.floor(rank / modelParallel / dataParallel);
  const stages = new StageMap(tensors.keys(), pipelineStages);
  const own = new Map<string, TensorView>();
  for (const [name, view] of tensors) {
    if (!stages.of(name).includes(stage)) continue;
    const cut = sharding.cut(name, view, part, modelParallel);
    const rows = cut.shape[0] ?? 1;
    const size = rows / dataParallel;
    own.set(name, isShared(cut, layout) ? sliceRows(cut, group * size, (group + 1) * size) : cut);
  }
  return own;
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

/**
 * The whole tensors from those of all ranks.
 * @param ranks tensors of each rank, by own path
 * @throws InputError if the number of ranks is not the layout's, a rank lacks a tensor, or shapes do not fit
 */
export function joinRanks(
  ranks: readonly ReadonlyMap<string, TensorView>[],
  sharding: ShardingTable,
  layout: ParallelLayout,
): Map<string, TensorView> {
  const { dataParallel, modelParallel, pipelineStages } = layout;
  if (ranks.length !== rankCount(layout))
    throw new InputError(
      `${ranks.length} ranks, but the layout dp=${dataParallel}, mp=${modelParallel}, pp=${pipelineStages} has ` +
        `${rankCount(layout)}; give the layout that the checkpoint was written with.`,
    );
  const whole = new Map<string, TensorView>();
  const perStage = dataParallel * modelParallel;
  for (let stage = 0; stage < pipelineStages; stage++) {
    const first = stage * perStage;
    for (const name of ranks[first]?.keys() ?? []) {
      if (whole.has(name)) continue;
      const at = (group: number, part: number): TensorView => {
        const rank = first + group * modelParallel + part;
        const view = ranks[rank]?.get(name);
        if (view === undefined)
          throw new InputError(
            `rank_${rank} lacks tensor ${name}, which rank_${first} has; the layout is another one, or a file is missing.`,
          );
        return view;
      };
      const parts = Array.from({ length: modelParallel }, (_, part) => {
        const groups = Array.from({ length: dataParallel }, (_, group) => at(group, part));
        return joinGroups(name, groups, layout);
      });
      whole.set(name, sharding.join(name, checkParts(name, parts)));
    }
  }
  return whole;
}

/** One part from its data-parallel groups: rows one after the other where they are shared, else the first. */
function joinGroups(name: string, groups: readonly TensorView[], layout: ParallelLayout): TensorView {
  const [first] = groups;
  if (first === undefined) throw new RangeError(`${name} has no group`);
  if (!layout.optimizerShard || groups.length === 1 || first.shape.length === 0) return first;
  checkParts(name, groups);
  const joined = stackRows(groups);
  // A part so big is shared, one so small is not; in between the shape leaves it open and the bytes tell.
  if (viewBytes(first) >= layout.shardThreshold) return joined;
  if (viewBytes(joined) < layout.shardThreshold) return first;
  return groups.every((group) => sameBytes(group, first)) ? first : joined;
}

function checkParts(name: string, parts: readonly TensorView[]): readonly TensorView[] {
  const shapes = new Set(parts.map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`));
  if (shapes.size <= 1) return parts;
  throw new InputError(
    `the ranks' parts of ${name} differ: ${[...shapes].join(', ')}; they do not belong to one checkpoint.`,
  );
}
