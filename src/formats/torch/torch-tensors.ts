/** Finds the model and its tensors in the nested values of a torch file. */
import { InputError } from '../../errors/index.js';
import { showValue } from '../files/show-value.js';
import {
  isDict,
  isKind,
  isTensor,
  type PickleValue,
  pickleTypeName,
  sequenceItems,
  type TorchTensor,
} from './pickle-value.js';

/** Keys under which training programs keep the weights beside optimiser and counters. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'module', 'model'];
/** Deep enough for any state dict; what nests deeper is a damaged or a hostile file. */
const MAX_DEPTH = 100;
const MAX_VISITS = 2 ** 20;
const MAX_NAME_LENGTH = 4096;

/** Tensors that lie beside a wrapped model: states of random generators and counters. */
const BESIDE_MODEL = /rng|seed|step|iter|epoch|loss/i;

/**
 * The part of a file that holds its model: the dict under the first wrapper key, as long as no weights lie beside it;
 * else the whole.
 */
export function modelWeights(root: PickleValue): PickleValue {
  let weights = root;
  for (let depth = 0; depth < WRAPPERS.length && isDict(weights); depth++) {
    const { entries } = weights;
    const wrapped = WRAPPERS.map((key) => entries.get(key)).find(isDict);
    if (wrapped === undefined || [...entries].some(isWeight)) break;
    weights = wrapped;
  }
  return weights;
}

function isWeight([key, value]: readonly [PickleValue, PickleValue]): boolean {
  return isTensor(value) && !(typeof key === 'string' && BESIDE_MODEL.test(key));
}

/**
 * Every tensor within nested dicts, lists and tuples, by its dotted path; a single tensor has the name "". Values that
 * hold themselves are followed once.
 * @throws InputError if two tensors have one path ({"a.b": …, "a": {"b": …}}), or for nesting beyond 100 levels
 */
export function collectTensors(root: PickleValue, path: string): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  const open = new Set<PickleValue>();
  let visits = 0;

  function visit(value: PickleValue, name: string): void {
    if (++visits > MAX_VISITS)
      throw new InputError(`${path} holds more than ${MAX_VISITS} values that lead to tensors.`);
    if (isTensor(value)) {
      if (tensors.has(name)) throw new InputError(`${path}: two tensors have the path ${showValue(name)}.`);
      tensors.set(name, value);
      return;
    }
    refuseHiddenTensors(value, name, path);
    const children = childrenOf(value);
    if (children === undefined || open.has(value)) return;
    if (open.size === MAX_DEPTH)
      throw new InputError(`${path}: ${showValue(name)} is nested more than ${MAX_DEPTH} deep.`);
    open.add(value);
    for (const [key, child] of children) {
      const childName = name === '' ? key : `${name}.${key}`;
      if (childName.length > MAX_NAME_LENGTH)
        throw new InputError(
          `${path}: ${showValue(childName)} is longer than ${MAX_NAME_LENGTH} characters.`,
        );
      visit(child, childName);
    }
    open.delete(value);
  }

  visit(root, '');
  return tensors;
}

/** An object of a program is kept closed; tensors within it are neither found nor left out in silence. */
function refuseHiddenTensors(value: PickleValue, name: string, path: string): void {
  if (!isKind(value) || value.kind !== 'object') return;
  const open: PickleValue[] = [...value.args, value.state ?? null];
  const seen = new Set<PickleValue>();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (isTensor(next))
      throw new InputError(
        `${path}: ${name === '' ? 'it' : showValue(name)} is ${pickleTypeName(value)}, an object of a program that holds ` +
          'tensors, which is not opened. Save the weights alone, as a state dict of plain tensors.',
      );
    if (!leadsOn(next) || seen.has(next)) continue;
    if (seen.size > MAX_VISITS) return;
    seen.add(next);
    if (isKind(next) && next.kind === 'object') open.push(...next.args, next.state ?? null);
    else if (isDict(next)) open.push(...next.entries.values());
    else open.push(...(sequenceItems(next) ?? []));
  }
}

/** Children that can lead to tensors; dict keys that are neither texts nor numbers have no path. */
function childrenOf(value: PickleValue): Iterable<readonly [string, PickleValue]> | undefined {
  const items = sequenceItems(value);
  if (items !== undefined) return nestedItems(items);
  return isDict(value) ? namedEntries(value.entries) : undefined;
}

function* nestedItems(items: readonly PickleValue[]): Generator<readonly [string, PickleValue], void> {
  for (const [index, item] of items.entries()) if (leadsOn(item)) yield [String(index), item];
}

function* namedEntries(
  entries: ReadonlyMap<PickleValue, PickleValue>,
): Generator<readonly [string, PickleValue], void> {
  for (const [key, value] of entries)
    if (leadsOn(value) && (typeof key === 'string' || typeof key === 'number')) yield [String(key), value];
}

function leadsOn(value: PickleValue): boolean {
  return typeof value === 'object' && value !== null;
}
