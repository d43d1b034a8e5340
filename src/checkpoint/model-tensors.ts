/** The tensors of a checkpoint by what they are to a model: weights, adapters, optimiser states, the rest. */
import type { TensorView } from '../formats/index.js';
import { ADAPTER_SPELLINGS } from './adapter-names.js';
import type { NameScheme } from './name-scheme.js';
import { NAME_DIALECTS, type NameDialect, type WeightTables } from './weight-tables.js';

/** MindSpore puts these before a parameter's name: AdamWeightDecayX's, and those of its own Adam. */
const STATE_PREFIXES = ['adam_m.', 'adam_v.', 'moment1.', 'moment2.', 'accu_grads.'] as const;

export interface ModelTensors {
  readonly dialect: NameDialect;
  /** By our own path; halves of adapters as `LAYER.loraA` and `LAYER.loraB`. */
  readonly weights: ReadonlyMap<string, TensorView>;
  /** Names of the adapters' halves in the checkpoint, by our own path. */
  readonly adapterNames: ReadonlyMap<string, string>;
  /** Optimiser states by prefix, then by our own path. */
  readonly states: ReadonlyMap<string, ReadonlyMap<string, TensorView>>;
  /** Tensors of no parameter (counters, the loss scale), by their name. */
  readonly others: ReadonlyMap<string, TensorView>;
  /** Names left out on purpose: buffers without content. */
  readonly skipped: readonly string[];
}

/** Sorts a checkpoint's tensors, the spelling recognised by the names. */
export function sortTensors(named: ReadonlyMap<string, TensorView>, tables: WeightTables): ModelTensors {
  const groups = groupByPrefix(named);
  const plain = groups.get('') ?? new Map<string, TensorView>();
  const { dialect, scheme } = recogniseDialect(plain, tables);
  const { tensors, skipped, unknown } = scheme.toOwn(plain);
  const weights = new Map(tensors);
  const adapterNames = new Map<string, string>();
  const others = new Map<string, TensorView>();
  for (const name of unknown) {
    const view = plain.get(name)!;
    const path = adapterPath(name, scheme, view);
    if (path === undefined) others.set(name, view);
    else {
      weights.set(path, view);
      adapterNames.set(path, name);
    }
  }
  const states = new Map<string, ReadonlyMap<string, TensorView>>();
  for (const prefix of STATE_PREFIXES) {
    const group = groups.get(prefix);
    if (group === undefined) continue;
    const state = scheme.toOwn(group);
    for (const name of state.unknown) {
      const path = adapterPath(name, scheme, group.get(name)!);
      if (path === undefined) others.set(prefix + name, group.get(name)!);
      else state.tensors.set(path, group.get(name)!);
    }
    states.set(prefix, state.tensors);
  }
  return { dialect, weights, adapterNames, states, others, skipped };
}

/** The spelling that leaves the fewest names unknown; the published one counts first. */
function recogniseDialect(
  plain: ReadonlyMap<string, TensorView>,
  { schemes }: WeightTables,
): { dialect: NameDialect; scheme: NameScheme } {
  let best: { dialect: NameDialect; scheme: NameScheme; unknown: number } | undefined;
  for (const dialect of NAME_DIALECTS) {
    const scheme = schemes.get(dialect);
    if (scheme === undefined) continue;
    const unknown = scheme.toOwn(plain).unknown.length;
    if (best === undefined || unknown < best.unknown) best = { dialect, scheme, unknown };
  }
  if (best === undefined) throw new TypeError('a family has at least one spelling');
  return best;
}

/** How many of the names a family knows, in its best spelling: tells to which family a checkpoint belongs. */
export function countKnown(named: ReadonlyMap<string, TensorView>, tables: WeightTables): number {
  const plain = groupByPrefix(named).get('') ?? new Map<string, TensorView>();
  const { scheme } = recogniseDialect(plain, tables);
  const unknown = scheme.toOwn(plain).unknown.filter((name) => {
    return adapterPath(name, scheme, plain.get(name)!) === undefined;
  });
  return plain.size - unknown.length;
}

function groupByPrefix(named: ReadonlyMap<string, TensorView>): Map<string, Map<string, TensorView>> {
  const groups = new Map<string, Map<string, TensorView>>();
  for (const [name, view] of named) {
    const prefix = STATE_PREFIXES.find((candidate) => name.startsWith(candidate)) ?? '';
    const group = groups.get(prefix) ?? new Map<string, TensorView>();
    groups.set(prefix, group.set(name.slice(prefix.length), view));
  }
  return groups;
}

/** `LAYER.loraA` for an adapter's half in any spelling; undefined for another name. */
function adapterPath(name: string, scheme: NameScheme, view: TensorView): string | undefined {
  for (const { suffix, prefix, part } of ADAPTER_SPELLINGS) {
    if (!name.endsWith(suffix) || !name.startsWith(prefix)) continue;
    const layer = `${name.slice(prefix.length, name.length - suffix.length)}.weight`;
    const [path] = scheme.toOwn(new Map([[layer, view]])).tensors.keys();
    return path?.replace(/\.weight$/, `.${part}`);
  }
  return undefined;
}
