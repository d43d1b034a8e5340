/** Sorts the tensors of a checkpoint into weights, adapters, optimiser states and the rest. */
import { InputError } from '../errors/index.js';
import { type FileDtype, placeOfView, type TensorView, transpose } from '../formats/index.js';
import { parseAdapterName, parseMagnitudeName } from './adapters/adapter-names.js';
import { isOfExperts, NO_EXPERT_ADAPTERS } from './adapters/expert-adapters.js';
import type { NameScheme } from './name-scheme.js';
import { TENSOR_NAMINGS, type TensorNaming, type WeightTables } from './weight-tables.js';
import { unwrapNames } from './wrapped-names.js';

/** MindSpore puts these before a parameter's name: AdamWeightDecayX's, and those of its own optimisers. */
const STATE_PREFIXES = [
  'adam_m.',
  'adam_v.',
  'moment1.',
  'moment2.',
  'moments.',
  'vhat.',
  'accum.',
  'accu_grads.',
] as const;

/** What MindSpore and MindFormers keep beside weights and states: counters, rates and scales of the training. */
const COUNTERS: ReadonlySet<string> = new Set([
  'global_step',
  'epoch_num',
  'step_num',
  'current_iterator_step',
  'last_overflow_iterator_step',
  'cur_step',
  'cur_epoch',
  'batch_size',
  'global_batch_size',
  'learning_rate',
  'weight_decay',
  'momentum',
  'beta1_power',
  'beta2_power',
  'loss_scale',
  'scale_sense',
  'good_steps',
  'accu_step',
  'random_seed',
]);

/** Does a tensor of this name tell about the training, and nothing of the model? */
export function isCounter(name: string): boolean {
  // Optimisers number the rates of their groups of parameters.
  const plain = name.replace(/_group_\d+$/, '');
  return COUNTERS.has(plain) || STATE_PREFIXES.some((prefix) => name.startsWith(prefix));
}

export interface ModelTensors {
  readonly naming: TensorNaming;
  /** By our own path; halves of adapters as `LAYER.loraA` [R, I] and `LAYER.loraB` [O, R]. */
  readonly weights: ReadonlyMap<string, TensorView>;
  /** Names of the weights in the checkpoint, by our own path; not of those that it holds fused. */
  readonly names: ReadonlyMap<string, string>;
  /** Optimiser states by prefix, then by our own path. */
  readonly states: ReadonlyMap<string, ReadonlyMap<string, TensorView>>;
  /** Tensors of no parameter (counters, the loss scale, what nobody knows), by their name. */
  readonly others: ReadonlyMap<string, TensorView>;
  /** Names left out on purpose: buffers without content. */
  readonly skipped: readonly string[];
  /** By our own path: what a weight was multiplied with in this naming. */
  readonly factors: ReadonlyMap<string, number>;
  /** That of the whole model, where this naming keeps some tensors wider. */
  readonly dtype: FileDtype | undefined;
}

/** Sorts a checkpoint's tensors, the naming recognised by the names. */
export function sortTensors(named: ReadonlyMap<string, TensorView>, tables: WeightTables): ModelTensors {
  const groups = groupByPrefix(named);
  const plain = groups.get('') ?? new Map<string, TensorView>();
  const { naming, scheme } = detectNaming(plain, tables);
  const { tensors, names, skipped, unknown } = scheme.fromPublished(plain);
  const weights = new Map(tensors);
  const others = new Map<string, TensorView>();
  for (const name of unknown) {
    const view = plain.get(name)!;
    const adapter = halfOf(name, scheme, view, tables);
    if (adapter === undefined) others.set(name, view);
    else {
      const twin = names.get(adapter.path);
      if (twin !== undefined)
        throw new InputError(
          `${placeOfView(view)}: "${twin}" and "${name}" adapt the same layer; one adapter is read at a time: save one alone.`,
        );
      weights.set(adapter.path, adapter.view);
      names.set(adapter.path, name);
    }
  }
  const states = new Map<string, ReadonlyMap<string, TensorView>>();
  for (const prefix of STATE_PREFIXES) {
    const group = groups.get(prefix);
    if (group === undefined) continue;
    const state = scheme.fromPublished(group);
    for (const name of state.unknown) {
      const adapter = halfOf(name, scheme, group.get(name)!, tables);
      if (adapter === undefined) others.set(prefix + name, group.get(name)!);
      else state.tensors.set(adapter.path, adapter.view);
    }
    states.set(prefix, state.tensors);
  }
  const dtype = scheme.float32Vectors === true ? matrixDtype(weights) : floatsOfIntegers(weights);
  return { naming, weights, names, states, others, skipped, factors: scheme.factors ?? new Map(), dtype };
}

/** The products of integers are taken in float32, and so is all else then. */
function floatsOfIntegers(weights: ReadonlyMap<string, TensorView>): FileDtype | undefined {
  return [...weights.values()].some(({ integers }) => integers !== undefined) ? 'float32' : undefined;
}

function matrixDtype(weights: ReadonlyMap<string, TensorView>): FileDtype | undefined {
  return [...weights.values()].find(({ shape }) => shape.length === 2)?.dtype;
}

/** The naming that leaves the fewest names unknown; the published one counts first. */
function detectNaming(
  plain: ReadonlyMap<string, TensorView>,
  { schemes }: WeightTables,
): { naming: TensorNaming; scheme: NameScheme } {
  let best: { naming: TensorNaming; scheme: NameScheme; unknown: number } | undefined;
  for (const naming of TENSOR_NAMINGS) {
    const scheme = schemes.get(naming);
    if (scheme === undefined) continue;
    const unknown = scheme.fromPublished(plain).unknown.length;
    if (best === undefined || unknown < best.unknown) best = { naming, scheme, unknown };
  }
  if (best === undefined) throw new TypeError('a family has at least one spelling');
  return best;
}

/**
 * How many of a checkpoint's weights a family knows, in its best naming, and of how many: tells to which family it
 * belongs. Optimiser states and counters are nobody's.
 */
export function countKnown(
  named: ReadonlyMap<string, TensorView>,
  tables: WeightTables,
): { known: number; total: number } {
  const groups = groupByPrefix(unwrapNames(named, knownNames(tables)).tensors);
  const plain = new Map([...(groups.get('') ?? [])].filter(([name]) => !isCounter(name)));
  const { scheme } = detectNaming(plain, tables);
  const unknown = scheme.fromPublished(plain).unknown.filter((name) => {
    return halfOf(name, scheme, plain.get(name)!, tables) === undefined;
  });
  return { known: plain.size - unknown.length, total: plain.size };
}

/** Is a name one of the family's, in any of its spellings, or a half of an adapter? */
export function knownNames({ schemes }: WeightTables): (name: string) => boolean {
  const isParameter = (name: string): boolean => [...schemes.values()].some((scheme) => scheme.knows(name));
  return (name) => {
    const plain = withoutStatePrefix(name);
    const layer = parseAdapterName(plain)?.module ?? parseMagnitudeName(plain);
    return layer === undefined ? isParameter(plain) : isParameter(`${layer}.weight`);
  };
}

function withoutStatePrefix(name: string): string {
  const prefix = STATE_PREFIXES.find((candidate) => name.startsWith(candidate)) ?? '';
  return name.slice(prefix.length);
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

/** `LAYER.loraA` or `LAYER.loraB` in any naming, the way round that we have it; undefined for another name. */
function halfOf(
  name: string,
  scheme: NameScheme,
  view: TensorView,
  { names }: WeightTables,
): { path: string; view: TensorView } | undefined {
  const parsed = parseAdapterName(name);
  if (parsed === undefined) return undefined;
  const { module, part, transposed } = parsed;
  if (view.shape.length !== 2)
    throw new InputError(
      `${placeOfView(view)}: tensor "${name}" has shape [${view.shape.join(', ')}]; half an adapter is a matrix.`,
    );
  if (isOfExperts(names, `${module}.weight`))
    throw new InputError(`${placeOfView(view)}: tensor "${name}": ${NO_EXPERT_ADAPTERS}.`);
  const [layer] = scheme.pathsOf(`${module}.weight`);
  if (layer === undefined) return undefined;
  return {
    path: layer.replace(/\.weight$/, `.${part}`),
    view: transposed ? transpose(view) : view,
  };
}
