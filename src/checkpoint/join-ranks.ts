/** Merges the parts of all ranks into the whole model; refuses a layout that the parts contradict. */
import { InputError } from '../errors/index.js';
import { fileOfView, readView, sameBytes, stackRows, type TensorView, viewBytes } from '../formats/index.js';
import { type ParallelLayout, rankCount } from './parallel-layout.js';
import type { ShardingTable } from './sharding-table.js';

/** Tensors of one rank, by own path. */
type RankTensors = ReadonlyMap<string, TensorView>;

/**
 * The whole tensors from those of all ranks.
 * @param kind states may all be zero at the start of a training: only weights tell copies from parts
 * @throws InputError if the number of ranks is not the layout's, a rank lacks a tensor, shapes do not fit, data-parallel
 * copies differ, or what should be different parts is the same
 */
export function joinRanks(
  ranks: readonly RankTensors[],
  sharding: ShardingTable,
  layout: ParallelLayout,
  kind: 'weights' | 'states' = 'weights',
): Map<string, TensorView> {
  const { dataParallel, modelParallel, pipelineStages } = layout;
  if (ranks.length !== rankCount(layout))
    throw new InputError(
      `${ranks.length} ranks, but the layout ${show(layout)} has ${rankCount(layout)}; give the layout that the checkpoint ` +
        'was written with.',
    );
  const whole = new Map<string, TensorView>();
  const parallel = new PartComparison(layout);
  const perStage = dataParallel * modelParallel;
  for (let stage = 0; stage < pipelineStages; stage++) {
    const first = stage * perStage;
    const names = namesOfStage(ranks, first, perStage);
    const found = [...names].filter((name) => !whole.has(name));
    if (names.size > 0 && found.length === 0)
      throw new InputError(
        `rank_${first} holds only tensors that earlier ranks hold too, which is no pipeline stage; the layout is not ` +
          `${show(layout)}.`,
      );
    for (const name of found) {
      const parts = Array.from({ length: modelParallel }, (_, part) => {
        const groups = Array.from({ length: dataParallel }, (_, group) =>
          tensorAt(ranks, first + group * modelParallel + part, name),
        );
        return joinGroups(name, checkShapes(name, groups), layout, parallel);
      });
      if (modelParallel > 1 && sharding.splitOf(name) !== undefined) parallel.seeParts(parts);
      whole.set(name, sharding.join(name, checkShapes(name, parts)));
    }
  }
  if (kind === 'weights') parallel.check();
  return whole;
}

/** @throws InputError if the ranks of a stage do not hold the same tensors */
function namesOfStage(ranks: readonly RankTensors[], first: number, count: number): Set<string> {
  const names = new Set(ranks[first]?.keys());
  for (let rank = first; rank < first + count; rank++) {
    const own = ranks[rank] ?? new Map<string, TensorView>();
    const missing = [...names].find((name) => !own.has(name));
    const surplus = [...own.keys()].find((name) => !names.has(name));
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
): TensorView {
  const [first] = groups;
  if (first === undefined) throw new RangeError(`${name} has no group`);
  if (groups.length === 1) return first;
  if (layout.optimizerShard && first.shape.length > 0) {
    const joined = stackRows(groups);
    // A part so big is shared, one so small is not; in between the shape leaves it open and the bytes tell.
    const isOpen = viewBytes(first) < layout.shardThreshold;
    if (!isOpen) parallel.seeShares(groups);
    if (!isOpen || (viewBytes(joined) >= layout.shardThreshold && !allEqual(groups, sameBytes)))
      return joined;
  }
  if (allEqual(groups, sameSamples)) return first;
  throw new InputError(
    `the data-parallel copies of ${name} differ, so they are none: the layout is not ${show(layout)}; give the one that ` +
      'the checkpoint was written with.',
  );
}

/** What is told apart by the layout alone must differ somewhere: the same bytes everywhere are copies, not parts. */
class PartComparison {
  readonly #layout: ParallelLayout;
  #parts: 'none' | 'equal' | 'different' = 'none';
  #shares: 'none' | 'equal' | 'different' = 'none';

  constructor(layout: ParallelLayout) {
    this.#layout = layout;
  }

  seeParts(parts: readonly TensorView[]): void {
    if (isReadable(parts) && this.#parts !== 'different')
      this.#parts = allEqual(parts, sameSamples) ? 'equal' : 'different';
  }

  seeShares(groups: readonly TensorView[]): void {
    if (isReadable(groups) && this.#shares !== 'different')
      this.#shares = allEqual(groups, sameSamples) ? 'equal' : 'different';
  }

  check(): void {
    const { modelParallel, dataParallel } = this.#layout;
    if (this.#parts === 'equal')
      throw new InputError(
        `all ${modelParallel} model-parallel ranks hold the same bytes: they are copies, not parts. Give the layout, such as ` +
          `--source-layout dp=${modelParallel}.`,
      );
    if (this.#shares === 'equal')
      throw new InputError(
        `all ${dataParallel} data-parallel ranks hold the same bytes: nothing is sharded. Give the layout without ` +
          'optimizer-shard.',
      );
  }
}

/** A plan without a conversion has no place for the bytes of tensors with strides. */
function isReadable(views: readonly TensorView[]): boolean {
  return views.every((view) => fileOfView(view) !== undefined);
}

function allEqual(views: readonly TensorView[], isEqual: (a: TensorView, b: TensorView) => boolean): boolean {
  const [first, ...others] = views;
  return first === undefined || others.every((view) => isEqual(first, view));
}

/** Bytes compared at the start, in the middle and at the end. */
const SAMPLE_BYTES = 4096;

/** Enough to tell parts of trained weights apart without reading a checkpoint twice. */
function sameSamples(a: TensorView, b: TensorView): boolean {
  const bytes = viewBytes(a);
  if (viewBytes(b) !== bytes) return false;
  const last = Math.max(0, bytes - SAMPLE_BYTES);
  return [0, Math.floor(last / 2), last].every((start) => {
    const [left, right] = [a, b].map((view) => {
      return Buffer.concat([
        ...readView({
          dtype: 'uint8',
          shape: [Math.min(SAMPLE_BYTES, bytes)],
          source: view.source,
          locate: (from, to) => view.locate(start + from, start + to),
        }),
      ]);
    });
    return left !== undefined && right !== undefined && left.equals(right);
  });
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
