/** Merges the parts of all ranks into the whole model; refuses a layout that the parts contradict. */
import { InputError } from '../errors/index.js';
import { sameBytes, stackRows, type TensorView, viewBytes } from '../formats/index.js';
import { allEqual, areReadable, isConstant, sameSamples, samplesOf } from './compare-parts.js';
import { type ParallelLayout, rankCount } from './parallel-layout.js';
import type { ShardingTable } from './sharding-table.js';

/** Tensors of one rank, by own path. */
type RankTensors = ReadonlyMap<string, TensorView>;

export interface JoinOptions {
  /** States may all be zero at the start of a training: only weights tell copies from parts. Default weights. */
  readonly kind?: 'weights' | 'states';
  /** What the config says of the whole, by own path. Default: nobody tells, and the bytes have to. */
  readonly shapes?: ReadonlyMap<string, readonly number[]> | undefined;
  /** Known to lie whole on every rank: states lie as their weights do. */
  readonly copied?: ReadonlySet<string>;
}

export interface JoinedTensors {
  readonly tensors: Map<string, TensorView>;
  /** Own paths of what could be cut, but lies whole on every model-parallel rank. */
  readonly copied: ReadonlySet<string>;
}

/**
 * The whole tensors from those of all ranks.
 * @throws InputError if the number of ranks is not the layout's, a rank lacks a tensor, shapes do not fit, copies differ
 * (data-parallel ones, or what is never cut), or what should be different parts is the same
 */
export function joinRanks(
  ranks: readonly RankTensors[],
  sharding: ShardingTable,
  layout: ParallelLayout,
  options: JoinOptions = {},
): JoinedTensors {
  const { dataParallel, modelParallel, pipelineStages } = layout;
  if (ranks.length !== rankCount(layout))
    throw new InputError(
      `${ranks.length} ranks, but the layout ${show(layout)} has ${rankCount(layout)}; give the layout that the checkpoint ` +
        'was written with.',
    );
  const tensors = new Map<string, TensorView>();
  const copied = new Set(options.copied);
  const parallel = new PartComparison(layout);
  const perStage = dataParallel * modelParallel;
  const groupsOf = (stage: number, part: number, name: string): readonly TensorView[] =>
    checkShapes(
      name,
      Array.from({ length: dataParallel }, (_, group) =>
        tensorAt(ranks, stage * perStage + group * modelParallel + part, name),
      ),
    );
  const firstStage = new Map<string, number>();
  for (let stage = 0; stage < pipelineStages; stage++) {
    const first = stage * perStage;
    const names = namesOfStage(ranks, first, perStage);
    const found = [...names].filter((name) => !tensors.has(name));
    if (names.size > 0 && found.length === 0)
      throw new InputError(
        `rank_${first} holds only tensors that earlier ranks hold too, which is no pipeline stage; the layout is not ` +
          `${show(layout)}.`,
      );
    for (const name of names) {
      const shapes = options.shapes?.get(name);
      const partShapes = shapes === undefined ? undefined : sharding.partShapes(name, shapes, modelParallel);
      const earlier = firstStage.get(name);
      if (earlier !== undefined) {
        checkStages(name, groupsOf(earlier, 0, name), groupsOf(stage, 0, name));
        continue;
      }
      firstStage.set(name, stage);
      const parts = Array.from({ length: modelParallel }, (_, part) =>
        joinGroups(name, groupsOf(stage, part, name), layout, parallel, partShapes),
      );
      tensors.set(name, joinParts(name, checkShapes(name, parts), sharding, parallel, options, copied));
    }
  }
  if ((options.kind ?? 'weights') === 'weights') parallel.check();
  return { tensors, copied };
}

/** The whole from model-parallel parts, or the one that all of them hold. */
function joinParts(
  name: string,
  parts: readonly TensorView[],
  sharding: ShardingTable,
  parallel: PartComparison,
  { shapes, copied: known, kind = 'weights' }: JoinOptions,
  copied: Set<string>,
): TensorView {
  const [first] = parts;
  if (first === undefined) throw new RangeError(`${name} has no parts`);
  if (parts.length === 1) return first;
  const split = sharding.splitOf(name);
  const expected = shapes?.get(name)?.join();
  const isWhole = (): boolean => {
    if (split?.mayBeWhole !== true) return false;
    if (kind === 'states' && known !== undefined) return known.has(name);
    if (expected !== undefined) return first.shape.join() === expected;
    return areReadable(parts) && !isConstant(first) && allEqual(parts, sameBytes);
  };
  if (split !== undefined && !isWhole()) {
    parallel.seeParts(parts);
    return sharding.join(name, parts);
  }
  if (split !== undefined) copied.add(name);
  if (allEqual(parts, sameBytes)) return first;
  throw new InputError(
    `every rank has the whole of ${first.source.replace(/^rank_\d+\//, '')}, but it differs between them: the ranks are of different steps, or share their ` +
      'tensors another way, as a sharded optimiser does. Give the layout with --source-layout, such as ' +
      `dp=${parts.length},optimizer-shard.`,
  );
}

/** What two stages hold (a tied embedding) is the same. */
function checkStages(name: string, earlier: readonly TensorView[], later: readonly TensorView[]): void {
  const [a, b] = [earlier[0], later[0]];
  if (a === undefined || b === undefined || sameSamples(a, b)) return;
  throw new InputError(
    `${name} differs between the pipeline stages that hold it; the ranks are of different steps.`,
  );
}

/** @throws InputError if the ranks of a stage do not hold the same tensors */
function namesOfStage(ranks: readonly RankTensors[], first: number, count: number): Set<string> {
  const names = new Set(ranks[first]?.keys());
  for (let rank = first; rank < first + count; rank++) {
    const tensors = ranks[rank] ?? new Map<string, TensorView>();
    const missing = [...names].find((name) => !tensors.has(name));
    const surplus = [...tensors.keys()].find((name) => !names.has(name));
    const [lacking, other, name] = missing === undefined ? [first, rank, surplus] : [rank, first, missing];
    if (name !== undefined)
      throw new InputError(
        `rank_${lacking} lacks tensor ${name}, which rank_${other} has; the layout is another one, or a file is missing.`,
      );
  }
  return names;
}

function tensorAt(ranks: readonly RankTensors[], rank: number, name: string): TensorView {
  const view = ranks[rank]?.get(name);
  if (view === undefined) throw new RangeError(`rank_${rank} has no ${name}`);
  return view;
}

/** One part from its data-parallel groups: rows one after the other where they are shared, else the first. */
function joinGroups(
  name: string,
  groups: readonly TensorView[],
  layout: ParallelLayout,
  parallel: PartComparison,
  partShapes: readonly (readonly number[])[] | undefined,
): TensorView {
  const [first] = groups;
  if (first === undefined) throw new RangeError(`${name} has no group`);
  if (groups.length === 1) return first;
  if (layout.optimizerShard && first.shape.length > 0) {
    const joined = stackRows(groups);
    const fits = ({ shape }: TensorView): boolean =>
      partShapes?.some((candidate) => candidate.join() === shape.join()) === true;
    if (fits(joined) && (!fits(first) || !allEqual(groups, sameBytes))) return joined;
    if (fits(first)) return equalGroups(name, groups, layout);
    // A part so big is shared, one so small is not; in between the shape leaves it open and the bytes tell.
    const isOpen = viewBytes(first) < layout.shardThreshold;
    if (!isOpen) {
      parallel.seeShares(groups);
      // Rows that the groups cannot share evenly stay whole, however big.
      if (areReadable(groups) && !isConstant(first) && allEqual(groups, sameBytes)) return first;
    }
    if (!isOpen || (viewBytes(joined) >= layout.shardThreshold && !allEqual(groups, sameBytes)))
      return joined;
  }
  return equalGroups(name, groups, layout);
}

function equalGroups(name: string, groups: readonly TensorView[], layout: ParallelLayout): TensorView {
  const [first] = groups;
  if (first !== undefined && allEqual(groups, sameSamples)) return first;
  throw new InputError(
    `the data-parallel copies of ${name} differ, so they are none: the layout is not ${show(layout)}; give the one that ` +
      'the checkpoint was written with' +
      (layout.optimizerShard
        ? ` (shares smaller than ${layout.shardThreshold / 1024} KB: threshold=KB, as parallel_optimizer_threshold was).`
        : '.'),
  );
}

/** What is told apart by the layout alone must differ somewhere: the same bytes everywhere are copies, not parts. */
class PartComparison {
  readonly #layout: ParallelLayout;
  /** A tensor whose parts are the same. */
  #equalPart: string | undefined;
  #parts: 'none' | 'equal' | 'different' = 'none';
  #shares: 'none' | 'equal' | 'different' = 'none';

  constructor(layout: ParallelLayout) {
    this.#layout = layout;
  }

  seeParts(parts: readonly TensorView[]): void {
    const [first] = parts;
    if (first === undefined || !areReadable(parts)) return;
    const isEqual = allEqual(parts, sameSamples);
    const hasTwins = new Set(parts.map(samplesOf)).size < parts.length;
    if (hasTwins && !isConstant(first)) this.#equalPart ??= first.source.replace(/^rank_\d+\//, '');
    if (this.#parts !== 'different') this.#parts = isEqual ? 'equal' : 'different';
  }

  seeShares(groups: readonly TensorView[]): void {
    if (areReadable(groups) && this.#shares !== 'different')
      this.#shares = allEqual(groups, sameSamples) ? 'equal' : 'different';
  }

  check(): void {
    const { modelParallel, dataParallel } = this.#layout;
    if (this.#parts === 'equal')
      throw new InputError(
        `all ${modelParallel} model-parallel ranks hold the same bytes: they are copies, not parts. Give the layout, such as ` +
          `--source-layout dp=${modelParallel}.`,
      );
    if (this.#equalPart !== undefined)
      throw new InputError(
        `${this.#equalPart} should be cut over the ${modelParallel} model-parallel ranks, but some of them hold the same bytes: ` +
          'the ranks share their tensors another way. Give the layout with --source-layout, such as ' +
          `dp=${modelParallel},optimizer-shard.`,
      );
    if (this.#shares === 'equal')
      throw new InputError(
        `all ${dataParallel} data-parallel ranks hold the same bytes: nothing is sharded. Give the layout without ` +
          'optimizer-shard.',
      );
  }
}

function checkShapes(name: string, parts: readonly TensorView[]): readonly TensorView[] {
  const shapes = new Set(parts.map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`));
  if (shapes.size <= 1) return parts;
  throw new InputError(
    `the ranks' parts of ${name} differ: ${[...shapes].join(', ')}; they do not belong to one checkpoint.`,
  );
}

function show({ dataParallel, modelParallel, pipelineStages, optimizerShard }: ParallelLayout): string {
  const sizes = `dp=${dataParallel}, mp=${modelParallel}, pp=${pipelineStages}`;
  return optimizerShard ? `${sizes}, optimizer-shard` : sizes;
}
