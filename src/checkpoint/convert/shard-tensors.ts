/** The link `cut`: what one rank of a layout holds, updates cut as their weights are. */
import { InputError } from '../../errors/index.js';
import type { TensorView } from '../../formats/index.js';
import { type ModelTables, type ParallelLayout, rankCount, tensorsOfRank } from '../parallel-layout.js';
import type { ShardingTable } from '../sharding-table.js';
import type { ChainTensor, NamedViews } from './chain-tensor.js';

/** A slip of the pen is not to fill memory. */
const MAX_RANKS = 8192;

/** @throws InputError for more ranks than are written */
export function refuseManyRanks(layout: ParallelLayout): void {
  if (rankCount(layout) <= MAX_RANKS) return;
  throw new InputError(`${rankCount(layout)} ranks are more than the ${MAX_RANKS} that are written at most.`);
}

/**
 * @param tensors all of the model, by own path
 * @param tables of its family
 * @throws InputError if a tensor cannot be cut so, or carries an update and would be shared by data-parallel groups
 */
export function shardTensors(
  tensors: NamedViews,
  tables: ModelTables,
  layout: ParallelLayout,
  rank: number,
): NamedViews {
  const changed = [...tensors.values()].filter(
    ({ update, addend, rows }) => (update ?? addend ?? rows) !== undefined,
  );
  const isWhole = changed.some(
    ({ update, addend, rows }) => (addend ?? rows ?? update?.magnitude) !== undefined,
  );
  if ((layout.optimizerShard && changed.length > 0) || isWhole)
    throw new InputError(
      `merge the adapter first, then cut the result${isWhole ? '' : ' with a sharded optimiser'}: two conversions.`,
    );
  const views = new Map([...tensors].map(([path, { view }]) => [path, view] as const));
  return new Map(
    [...tensorsOfRank(views, tables, layout, rank)].map(([path, view]) => {
      const whole = tensors.get(path);
      if (whole === undefined) throw new TypeError(`${path} was not there before it was cut`);
      return [path, { ...whole, view, ...cutUpdate(path, whole, tables.sharding, layout, rank) }];
    }),
  );
}

function cutUpdate(
  path: string,
  { update }: ChainTensor,
  sharding: ShardingTable,
  { modelParallel }: ParallelLayout,
  rank: number,
): Pick<ChainTensor, 'update'> {
  if (update === undefined) return {};
  const layer = path.replace(/\.weight$/, '');
  const cut = (part: 'loraA' | 'loraB', view: TensorView): TensorView =>
    sharding.cut(`${layer}.${part}`, view, rank % modelParallel, modelParallel);
  return { update: { ...update, a: cut('loraA', update.a), b: cut('loraB', update.b) } };
}
