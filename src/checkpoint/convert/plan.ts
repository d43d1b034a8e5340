/** What a conversion writes: files, and in each the tensors with where they come from. Nothing is read yet. */
import { InputError } from '../../errors/index.js';
import {
  dtypeBytes,
  elementCount,
  type FileDtype,
  type TensorDescription,
  type TensorView,
  transpose,
} from '../../formats/index.js';
import { ADAPTER_SPELLINGS } from '../adapter-names.js';
import type { ModelTensors } from '../model-tensors.js';
import type { NameScheme } from '../name-scheme.js';
import { type ParallelLayout, rankCount, tensorsOfRank } from '../parallel-layout.js';
import type { NameDialect, WeightTables } from '../weight-tables.js';
import { isCastable, type LowRankUpdate } from './cast-view.js';

export interface PlannedTensor extends TensorDescription {
  readonly view: TensorView;
  /** Added while it is written. */
  readonly update?: LowRankUpdate;
  /** Multiplied with while it is written. */
  readonly factor?: number;
}

export interface PlannedFile {
  /** Inside the output folder. */
  readonly path: string;
  readonly tensors: readonly PlannedTensor[];
}

/** Adapter matrices to add to (or take from) weights: by our own path of the layer. */
export type AdapterUpdates = ReadonlyMap<string, { a: TensorView; b: TensorView; scale: number }>;

export type AdapterSpelling = 'peft' | 'mindpet' | 'telechat';

export interface TensorRules {
  /** Default: the source's. */
  readonly dialect?: NameDialect | undefined;
  /** Of weights; optimiser states and counters keep theirs. Default: as they are. */
  readonly dtype?: FileDtype | undefined;
  /** Cast what the family keeps in float32 as well. */
  readonly castEmbedding?: boolean;
  readonly castNorm?: boolean;
  /** Write optimiser states and counters too. */
  readonly states: boolean;
  readonly updates?: AdapterUpdates | undefined;
  /** Spelling of LoRA matrices that stay apart. Default: the source's. */
  readonly adapterSpelling?: AdapterSpelling | undefined;
}

/** The tensors of a whole model under their names. */
export function planTensors(model: ModelTensors, tables: WeightTables, rules: TensorRules): PlannedTensor[] {
  const scheme = schemeOf(model, tables, rules);
  // Unless a spelling is asked for, names stay: some files leave a prefix away.
  const sourceNames = rules.dialect === undefined ? model.names : new Map<string, string>();
  const plain = new Map([...model.weights].filter(([path]) => !isAdapterHalf(path)));
  const planned = [...applyScheme(scheme, { ...model, weights: plain }, rules, tables, sourceNames)];
  for (const [path, view] of model.weights)
    if (isAdapterHalf(path)) planned.push(planAdapter(path, view, model, scheme, rules));
  if (!rules.states) return planned;
  for (const [prefix, state] of model.states)
    for (const [name, view] of namedStates(scheme, state, sourceNames))
      planned.push(asIs(prefix + name, view));
  for (const [name, view] of model.others) planned.push(asIs(name, view));
  return planned;
}

/** A fused target whose parts differ in dtype or carry updates is not one cut of files: only the latter is refused. */
function* applyScheme(
  scheme: NameScheme,
  model: ModelTensors,
  rules: TensorRules,
  tables: WeightTables,
  sourceNames: ReadonlyMap<string, string>,
): Generator<PlannedTensor, void> {
  for (const [schemeName, view] of scheme.fromOwn(model.weights)) {
    const own = [...scheme.toOwn(new Map([[schemeName, view]])).tensors.keys()];
    const [first = schemeName] = own;
    const name = sourceNames.get(first) ?? schemeName;
    const update = rules.updates?.get(first.replace(/\.weight$/, ''));
    if (own.length > 1 && own.some((path) => rules.updates?.has(path.replace(/\.weight$/, '')) === true))
      throw new InputError(
        `${name} holds ${own.join(', ')} in one tensor, into which an adapter cannot be merged; merge with --names published ` +
          'first, then convert the names.',
      );
    const factor = (scheme.factors?.get(first) ?? 1) / (model.factors.get(first) ?? 1);
    const dtype = rules.dtype ?? model.dtype;
    yield {
      name,
      dtype:
        scheme.float32Vectors === true && view.shape.length === 1
          ? 'float32'
          : targetDtype(first, view, { ...rules, dtype }, tables),
      shape: view.shape,
      view,
      ...(update !== undefined &&
        first.endsWith('.weight') && {
          update: { ...update, layout: tables.sharding.linearLayout },
        }),
      ...(factor !== 1 && { factor }),
    };
  }
}

function targetDtype(own: string, view: TensorView, rules: TensorRules, tables: WeightTables): FileDtype {
  const { dtype, castEmbedding = false, castNorm = false } = rules;
  if (dtype === undefined || !isCastable(view.dtype)) return view.dtype;
  const kept = tables.keepsFloat32?.(own);
  const isKept = (kept === 'embedding' && !castEmbedding) || (kept === 'norm' && !castNorm);
  return isKept && dtype !== 'float64' ? 'float32' : dtype;
}

function planAdapter(
  path: string,
  view: TensorView,
  model: ModelTensors,
  scheme: NameScheme,
  { adapterSpelling, dtype }: TensorRules,
): PlannedTensor {
  const sourceName = model.names.get(path) ?? '';
  const layer = `${path.replace(/\.lora[AB]$/, '')}.weight`;
  const [layerName = layer] = scheme.fromOwn(new Map([[layer, view]])).keys();
  const module = layerName.replace(/\.weight$/, '');
  const part = path.endsWith('.loraA') ? 'loraA' : 'loraB';
  const spelling =
    adapterSpelling === undefined
      ? ADAPTER_SPELLINGS.find(({ suffix }) => sourceName.endsWith(suffix))
      : ADAPTER_SPELLINGS.filter((row) => row.part === part)[SPELLING_ORDER.indexOf(adapterSpelling)];
  if (spelling === undefined) throw new TypeError(`${sourceName} has no spelling`);
  const placed = spelling.transposed ? transpose(view) : view;
  return {
    name: `${spelling.prefix}${module}${spelling.suffix}`,
    dtype: dtype !== undefined && isCastable(view.dtype) ? dtype : view.dtype,
    shape: placed.shape,
    view: placed,
  };
}

/** As the pairs stand in ADAPTER_SPELLINGS. */
const SPELLING_ORDER: readonly AdapterSpelling[] = ['peft', 'mindpet', 'telechat'];

/** States under the names of their parameters. */
function* namedStates(
  scheme: NameScheme,
  state: ReadonlyMap<string, TensorView>,
  sourceNames: ReadonlyMap<string, string>,
): Generator<[string, TensorView], void> {
  const plain = new Map([...state].filter(([path]) => !isAdapterHalf(path)));
  for (const [name, view] of scheme.fromOwn(plain)) {
    const [path = name] = scheme.toOwn(new Map([[name, view]])).tensors.keys();
    yield [sourceNames.get(path) ?? name, view];
  }
  for (const [path, view] of state) {
    const match = /^(.*)\.lora([AB])$/.exec(path);
    if (match === null) continue;
    const [layerName = path] = scheme.fromOwn(new Map([[`${match[1]}.weight`, view]])).keys();
    yield [`${layerName.replace(/\.weight$/, '')}.mindpet_delta_lora_${match[2]}`, view];
  }
}

function isAdapterHalf(path: string): boolean {
  return /\.lora[AB]$/.test(path);
}

function asIs(name: string, view: TensorView): PlannedTensor {
  return { name, dtype: view.dtype, shape: view.shape, view };
}

function schemeOf(model: ModelTensors, { schemes }: WeightTables, { dialect }: TensorRules): NameScheme {
  const wanted = dialect ?? model.dialect;
  const scheme = schemes.get(wanted);
  if (scheme === undefined)
    throw new InputError(
      `this family has no ${wanted} spelling of its tensors; there are ${[...schemes.keys()].join(', ')}.`,
    );
  return scheme;
}

/** A slip of the pen is not to fill memory. */
const MOST_RANKS = 8192;

/** One file for each rank of the layout, `rank_{i}/checkpoint_{i}` and the ending of the container. */
export function planRanks(
  model: ModelTensors,
  tables: WeightTables,
  rules: TensorRules,
  layout: ParallelLayout,
  ending: string,
): PlannedFile[] {
  if (rules.updates !== undefined && layout.optimizerShard)
    throw new InputError(
      'merge the adapter first, then cut the result with a sharded optimiser: two conversions.',
    );
  if (rankCount(layout) > MOST_RANKS)
    throw new InputError(
      `${rankCount(layout)} ranks are more than the ${MOST_RANKS} that are written at most.`,
    );
  return Array.from({ length: rankCount(layout) }, (_, rank) => {
    const cut = (tensors: ReadonlyMap<string, TensorView>): Map<string, TensorView> =>
      tensorsOfRank(tensors, tables.sharding, layout, rank);
    const weights = cut(model.weights);
    const states = new Map([...model.states].map(([prefix, state]) => [prefix, cut(state)] as const));
    const updates = rules.updates === undefined ? undefined : cutUpdates(rules.updates, tables, layout, rank);
    const tensors = planTensors({ ...model, weights, states }, tables, { ...rules, updates });
    return { path: `rank_${rank}/checkpoint_${rank}${ending}`, tensors };
  });
}

/** The adapter's part of a rank: its matrices are cut as the weight is. */
function cutUpdates(
  updates: AdapterUpdates,
  { sharding }: WeightTables,
  { modelParallel }: ParallelLayout,
  rank: number,
): AdapterUpdates {
  const part = rank % modelParallel;
  return new Map(
    [...updates].map(([layer, { a, b, scale }]) => [
      layer,
      {
        a: sharding.cut(`${layer}.loraA`, a, part, modelParallel),
        b: sharding.cut(`${layer}.loraB`, b, part, modelParallel),
        scale,
      },
    ]),
  );
}

export interface ShardOptions {
  /** Exactly so many files, of about one size. */
  readonly shards?: number | undefined;
  /** Or as many as keep each at or below this size; default 5e9. */
  readonly maxShardBytes?: number | undefined;
}

/** Tensors in files, in order. `fileName(index, count)` names them. */
export function planShards(
  tensors: readonly PlannedTensor[],
  { shards, maxShardBytes = 5e9 }: ShardOptions,
  fileName: (index: number, count: number) => string,
): PlannedFile[] {
  const total = tensors.reduce((sum, tensor) => sum + plannedBytes(tensor), 0);
  const groups: PlannedTensor[][] = [];
  if (shards !== undefined && shards > tensors.length)
    throw new InputError(
      `--shards ${shards}: the model has ${tensors.length} tensors; give at most as many.`,
    );
  let group: PlannedTensor[] = [];
  let groupBytes = 0;
  let placedBytes = 0;
  for (const [index, tensor] of tensors.entries()) {
    const bytes = plannedBytes(tensor);
    const isFull =
      shards === undefined
        ? groupBytes + bytes > maxShardBytes
        : placedBytes + bytes / 2 > (total * (groups.length + 1)) / shards ||
          tensors.length - index <= shards - groups.length - 1;
    if (group.length > 0 && isFull && (shards === undefined || groups.length < shards - 1)) {
      groups.push(group);
      group = [];
      groupBytes = 0;
    }
    group.push(tensor);
    groupBytes += bytes;
    placedBytes += bytes;
  }
  groups.push(group);
  return groups.map((members, index) => ({ path: fileName(index, groups.length), tensors: members }));
}

export function plannedBytes({ name, dtype, shape }: PlannedTensor): number {
  const bytes = elementCount([...shape, dtypeBytes(dtype)]);
  if (bytes === undefined) throw new RangeError(`${name} is too large`);
  return bytes;
}
