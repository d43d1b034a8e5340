/** Filters of lists and dictionaries. */
import { type Filter, FilterArguments, filter } from './filter.js';
import { unmarked } from './given-marks.js';
import { representation, stringOf } from './printing.js';
import { ValueFault } from './template-error.js';
import {
  compare,
  defined,
  isEqual,
  isText,
  isTrue,
  itemsOf,
  keyOf,
  lengthOf,
  numberOf,
  PythonFloat,
  Tuple,
  textOf,
  Undefined,
  type Value,
} from './values.js';

const length = filter('', (value) => lengthOf(value instanceof Undefined ? [...itemsOf(value)] : value));

export const LIST_FILTERS: Readonly<Record<string, Filter>> = {
  batch: filter('linecount fill_with', (value, given) => {
    const size = Math.max(given.whole('linecount', 1), 1);
    const items = itemsOf(value);
    const rows: Value[] = [];
    for (let at = 0; at < items.length; at += size) rows.push(items.slice(at, at + size));
    return filledRows(rows, size, given.get('fill_with'));
  }),
  count: length,
  dictsort: filter('case_sensitive by reverse', (value, given) => {
    if (!(value instanceof Map)) throw new ValueFault('expected a dictionary');
    const position = given.text('by', 'key') === 'value' ? 1 : 0;
    const key = (entry: Value) => folded(itemsOf(entry)[position] ?? null, given.isTrue('case_sensitive'));
    return sorted(
      [...value].map((entry) => new Tuple(entry)),
      key,
      given.isTrue('reverse'),
    );
  }),
  first: filter('', (value) => present(itemsOf(value)[0], 'No first item, sequence was empty.')),
  groupby: filter('attribute default case_sensitive', (value, given) => {
    const attribute = given.attributeOf();
    const keyed = (item: Value) => {
      const found = attribute(item);
      const otherwise = given.get('default');
      return found instanceof Undefined && otherwise !== undefined ? otherwise : found;
    };
    const isSensitive = given.isTrue('case_sensitive');
    const groups: { key: Value; items: Value[] }[] = [];
    for (const item of sorted(itemsOf(value), (each) => folded(keyed(each), isSensitive), false)) {
      const last = groups.at(-1);
      if (last !== undefined && isEqual(folded(last.key, isSensitive), folded(keyed(item), isSensitive)))
        last.items.push(item);
      else groups.push({ key: keyed(item), items: [item] });
    }
    return groups.map(({ key, items }) => new Tuple([key, items]));
  }),
  items: filter('', (value) => {
    if (value instanceof Undefined) return [];
    if (!(value instanceof Map)) throw new ValueFault('Can only get item pairs from a mapping.');
    return [...value].map((entry) => new Tuple(entry));
  }),
  join: filter('d attribute', (value, given) =>
    itemsOf(value)
      .map((item) => stringOf(given.attributeOf()(item)))
      .join(stringOf(given.get('d') ?? '')),
  ),
  last: filter('', (value) => present(itemsOf(value).at(-1), 'No last item, sequence was empty.')),
  length,
  list: filter('', (value) => [...itemsOf(value)]),
  map: filter('*', (value, given) => mapped(value, given)),
  max: filter('case_sensitive attribute', (value, given) => extreme(value, given, 1)),
  min: filter('case_sensitive attribute', (value, given) => extreme(value, given, -1)),
  reject: filter('*', (value, given) => selected(value, given, false, false)),
  rejectattr: filter('*', (value, given) => selected(value, given, true, false)),
  reverse: filter('', (value) =>
    isText(value) ? [...stringOf(value)].reverse().join('') : [...itemsOf(value)].reverse(),
  ),
  select: filter('*', (value, given) => selected(value, given, false, true)),
  selectattr: filter('*', (value, given) => selected(value, given, true, true)),
  slice: filter('slices fill_with', (value, given) =>
    slices(itemsOf(value), Math.max(given.whole('slices', 1), 1), given.get('fill_with')),
  ),
  sort: filter('reverse case_sensitive attribute', (value, given) => {
    const isSensitive = given.isTrue('case_sensitive');
    const attributes = given.attributesOf();
    const key = (item: Value): Value => {
      // A list, in which equal values need no order.
      return attributes.map((attribute) => folded(attribute(item), isSensitive));
    };
    return sorted(itemsOf(value), key, given.isTrue('reverse'));
  }),
  sum: filter('attribute start', (value, given) => {
    const attribute = given.attributeOf();
    return itemsOf(value).reduce((sum, item) => added(sum, attribute(item)), given.get('start') ?? 0);
  }),
  unique: filter('case_sensitive attribute', (value, given) => {
    const attribute = given.attributeOf();
    const seen = new Set<Value>();
    return itemsOf(value).filter((item) => {
      const value = folded(attribute(item), given.isTrue('case_sensitive'));
      const key = isText(value) ? unmarked(stringOf(value)) : keyOf(value);
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  }),
};

function present(item: Value | undefined, missing: string): Value {
  return item === undefined ? new Undefined(missing) : item;
}

function mapped(value: Value, given: FilterArguments): Value {
  const { context, positional, named } = given;
  if (positional.length === 0 && named.has('attribute')) {
    const attribute = new FilterArguments('attribute default', [], named, context).attributeOf();
    const otherwise = named.get('default');
    return itemsOf(value).map((item) => {
      const found = attribute(item);
      return found instanceof Undefined && otherwise !== undefined ? otherwise : found;
    });
  }
  const [name, ...rest] = positional;
  if (name === undefined) throw new ValueFault('the name of a filter is missing');
  return itemsOf(value).map((item) => context.filter(textOf(name, 'filter'), item, rest, named));
}

function selected(value: Value, given: FilterArguments, byAttribute: boolean, isWanted: boolean): Value {
  const { context, positional } = given;
  const attribute = byAttribute
    ? new FilterArguments('attribute', positional.slice(0, 1), new Map(), context).attributeOf()
    : (item: Value) => item;
  const [test, ...rest] = byAttribute ? positional.slice(1) : positional;
  return itemsOf(value).filter((item) => {
    const looked = attribute(item);
    const holds = test === undefined ? isTrue(looked) : context.test(textOf(test, 'test'), looked, rest);
    return holds === isWanted;
  });
}

function extreme(value: Value, given: FilterArguments, sign: 1 | -1): Value {
  const attribute = given.attributeOf();
  const isSensitive = given.isTrue('case_sensitive');
  const key = (item: Value) => folded(attribute(item), isSensitive);
  const [first, ...rest] = itemsOf(value);
  if (first === undefined) return new Undefined('No aggregated item, sequence was empty.');
  return rest.reduce<Value>((best, item) => (compare(key(item), key(best)) * sign > 0 ? item : best), first);
}

function folded(value: Value, isSensitive: boolean): Value {
  return isText(value) && !isSensitive ? stringOf(value).toLowerCase() : value;
}

function sorted(items: readonly Value[], key: (item: Value) => Value, isReversed: boolean): Value[] {
  const sign = isReversed ? -1 : 1;
  return items
    .map((item) => ({ item, key: key(item) }))
    .sort((a, b) => sign * compare(a.key, b.key))
    .map(({ item }) => item);
}

function filledRows(rows: readonly Value[], size: number, fill: Value | undefined): Value[] {
  if (fill === undefined || fill === null) return [...rows];
  return rows.map((row) => {
    const items = itemsOf(row);
    return [...items, ...new Array<Value>(Math.max(size - items.length, 0)).fill(fill)];
  });
}

function slices(items: readonly Value[], count: number, fill: Value | undefined): Value[] {
  const each = Math.floor(items.length / count);
  const longer = items.length % count;
  let at = 0;
  return Array.from({ length: Math.min(count, 10_000) }, (_, index) => {
    const own = items.slice(at, at + each + (index < longer ? 1 : 0));
    at += own.length;
    return fill !== undefined && fill !== null && index >= longer ? [...own, fill] : own;
  });
}

function added(a: Value, b: Value): Value {
  const [first, second] = [numberOf(a), numberOf(b)];
  if (first !== undefined && second !== undefined) {
    return a instanceof PythonFloat || b instanceof PythonFloat
      ? new PythonFloat(first + second)
      : first + second;
  }
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  throw new ValueFault(`${representation(defined(a))} and ${representation(defined(b))} cannot be added`);
}
