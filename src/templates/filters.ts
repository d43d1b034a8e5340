/** What may follow `|`. */
import type { EvaluationContext } from './evaluation-context.js';
import { padded, percentFormat } from './formatting.js';
import { capitalized, centred, strip } from './methods.js';
import { jsonText, representation, stringOf } from './printing.js';
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
  type NamedArguments,
  numberOf,
  PythonFloat,
  SafeText,
  Tuple,
  textOf,
  Undefined,
  type Value,
  wholeNumber,
} from './values.js';

/** The arguments of a filter by name, whether they were given so or not. */
class Arguments {
  readonly positional: readonly Value[];
  readonly named: NamedArguments;
  readonly context: EvaluationContext;
  readonly #names: readonly string[];

  constructor(
    names: string,
    positional: readonly Value[],
    named: NamedArguments,
    context: EvaluationContext,
  ) {
    this.#names = names.split(' ').filter((name) => name !== '' && name !== '*');
    this.positional = positional;
    this.named = named;
    this.context = context;
    if (names.includes('*')) return;
    const unknown = [...named.keys()].find((name) => !this.#names.includes(name));
    if (unknown !== undefined) throw new ValueFault(`there is no argument named "${unknown}"`);
    if (positional.length > this.#names.length)
      throw new ValueFault(`at most ${this.#names.length} arguments, found ${positional.length}`);
  }

  get(name: string): Value | undefined {
    return this.named.has(name) ? this.named.get(name) : this.positional[this.#names.indexOf(name)];
  }

  whole(name: string, otherwise: number): number {
    const value = this.get(name);
    return value === undefined || value === null ? otherwise : wholeNumber(value, name);
  }

  text(name: string, otherwise: string): string {
    const value = this.get(name);
    return value === undefined || value === null ? otherwise : textOf(value, name);
  }

  isTrue(name: string, otherwise = false): boolean {
    const value = this.get(name);
    return value === undefined ? otherwise : isTrue(value);
  }

  /** What to look at instead of an item: an attribute of it, as `a.b` or `a.0`. */
  attributeOf(name = 'attribute'): (item: Value) => Value {
    const path = this.get(name);
    if (path === undefined || path === null) return (item) => item;
    const steps =
      typeof path === 'number'
        ? [path]
        : textOf(path, name)
            .split('.')
            .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
    return (item) => steps.reduce<Value>((target, step) => this.context.attribute(target, step, true), item);
  }
}

interface Filter {
  /** Names of its arguments; `*` for any. */
  readonly names: string;
  apply(value: Value, given: Arguments): Value;
}

const filter = (names: string, apply: Filter['apply']): Filter => ({ names, apply });
const ofText = (change: (text: string) => string): Filter => filter('', (value) => change(stringOf(value)));

const length = filter('', (value) => lengthOf(value instanceof Undefined ? [] : value));
const orDefault = filter('default_value boolean', (value, given) => {
  const isMissing = value instanceof Undefined || (given.isTrue('boolean') && !isTrue(value));
  const otherwise = given.get('default_value');
  if (!isMissing) return value;
  return otherwise === undefined ? '' : otherwise;
});
const escapeHtml = filter('', (value) => (value instanceof SafeText ? value : escaped(stringOf(value))));

const FILTERS: Readonly<Record<string, Filter>> = {
  abs: filter('', (value) => sameKind(value, Math.abs(number(value)))),
  attr: filter('name', (value, given) => given.context.attribute(value, given.text('name', ''), false)),
  batch: filter('linecount fill_with', (value, given) => {
    const size = Math.max(given.whole('linecount', 1), 1);
    const items = itemsOf(value);
    const rows: Value[] = [];
    for (let at = 0; at < items.length; at += size) rows.push(items.slice(at, at + size));
    return filledRows(rows, size, given.get('fill_with'));
  }),
  capitalize: ofText(capitalized),
  center: filter('width', (value, given) => centred(stringOf(value), given.whole('width', 80), ' ')),
  count: length,
  length,
  d: orDefault,
  default: orDefault,
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
  e: escapeHtml,
  escape: escapeHtml,
  forceescape: filter('', (value) => escaped(stringOf(value))),
  filesizeformat: filter('binary', (value, given) => fileSize(number(value), given.isTrue('binary'))),
  first: filter('', (value) => present(itemsOf(value)[0], 'No first item, sequence was empty.')),
  last: filter('', (value) => present(itemsOf(value).at(-1), 'No last item, sequence was empty.')),
  float: filter('default', (value, given) => {
    const text = isText(value)
      ? strip(stringOf(value), undefined, true, true).replaceAll('_', '')
      : undefined;
    const parsed =
      text === undefined
        ? numberOf(value)
        : /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text)
          ? Number(text)
          : undefined;
    const otherwise = given.get('default');
    if (parsed !== undefined) return new PythonFloat(parsed);
    return otherwise === undefined ? new PythonFloat(0) : otherwise;
  }),
  int: filter('default base', (value, given) => {
    const otherwise = given.get('default');
    const parsed = wholeOf(value, given.whole('base', 10));
    if (parsed !== undefined) return parsed;
    return otherwise === undefined ? 0 : otherwise;
  }),
  format: filter('*', (value, given) => {
    const argument = given.named.size > 0 ? new Map<Value, Value>(given.named) : new Tuple(given.positional);
    return percentFormat(stringOf(value), argument);
  }),
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
  indent: filter('width first blank', (value, given) => {
    const width = given.get('width');
    const space =
      width !== undefined && isText(width)
        ? stringOf(width)
        : ' '.repeat(Math.min(given.whole('width', 4), 10_000));
    const lines = stringOf(value).split('\n');
    const isBlank = given.isTrue('blank');
    return lines
      .map((line, index) =>
        (index === 0 ? given.isTrue('first') : isBlank || line !== '') ? space + line : line,
      )
      .join('\n');
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
  list: filter('', (value) => [...itemsOf(value)]),
  lower: ofText((text) => text.toLowerCase()),
  upper: ofText((text) => text.toUpperCase()),
  map: filter('*', (value, given) => mapped(value, given)),
  max: filter('case_sensitive attribute', (value, given) => extreme(value, given, 1)),
  min: filter('case_sensitive attribute', (value, given) => extreme(value, given, -1)),
  pprint: filter('', (value) => representation(value)),
  reject: filter('*', (value, given) => selected(value, given, false, false)),
  rejectattr: filter('*', (value, given) => selected(value, given, true, false)),
  select: filter('*', (value, given) => selected(value, given, false, true)),
  selectattr: filter('*', (value, given) => selected(value, given, true, true)),
  replace: filter('old new count', (value, given) => {
    const [from, to, count] = [
      stringOf(given.get('old') ?? ''),
      stringOf(given.get('new') ?? ''),
      given.whole('count', -1),
    ];
    let left = count < 0 ? Number.POSITIVE_INFINITY : count;
    return stringOf(value).replaceAll(from, (whole) => (left-- > 0 ? to : whole));
  }),
  reverse: filter('', (value) =>
    isText(value) ? [...stringOf(value)].reverse().join('') : [...itemsOf(value)].reverse(),
  ),
  round: filter('precision method', (value, given) => {
    const [precision, method] = [given.whole('precision', 0), given.text('method', 'common')];
    const isWhole = !(value instanceof PythonFloat) && method === 'common';
    if (isWhole && precision >= 0) return Number(number(value));
    const result = rounded(number(value), precision, method);
    return isWhole ? result.value : result;
  }),
  safe: filter('', (value) => new SafeText(stringOf(value))),
  slice: filter('slices fill_with', (value, given) =>
    slices(itemsOf(value), Math.max(given.whole('slices', 1), 1), given.get('fill_with')),
  ),
  sort: filter('reverse case_sensitive attribute', (value, given) => {
    const paths = given.text('attribute', '').split(',');
    const isSensitive = given.isTrue('case_sensitive');
    const attributes =
      given.get('attribute') === undefined || given.get('attribute') === null
        ? [(item: Value) => item]
        : typeof given.get('attribute') === 'number'
          ? [given.attributeOf()]
          : paths.map(
              (path) => (item: Value) =>
                path
                  .split('.')
                  .reduce<Value>(
                    (target, step) =>
                      given.context.attribute(target, /^\d+$/.test(step) ? Number(step) : step, true),
                    item,
                  ),
            );
    const key = (item: Value): Value => {
      // A list, in which equal values need no order.
      return attributes.map((attribute) => folded(attribute(item), isSensitive));
    };
    return sorted(itemsOf(value), key, given.isTrue('reverse'));
  }),
  string: filter('', (value) => (isText(value) ? value : stringOf(value))),
  striptags: ofText((text) =>
    text
      .replace(/<!--[\s\S]*?-->|<[^>]*>/g, '')
      .split(/\s+/)
      .filter((word) => word !== '')
      .join(' '),
  ),
  sum: filter('attribute start', (value, given) => {
    const attribute = given.attributeOf();
    return itemsOf(value).reduce((sum, item) => added(sum, attribute(item)), given.get('start') ?? 0);
  }),
  title: ofText((text) =>
    text
      .split(/([-\s({[<]+)/u)
      .map((word) => capitalized(word))
      .join(''),
  ),
  tojson: filter('ensure_ascii indent separators sort_keys', (value, given) => {
    const indent = given.get('indent');
    const space =
      indent === undefined || indent === null
        ? undefined
        : isText(indent)
          ? stringOf(indent)
          : ' '.repeat(Math.min(Math.max(wholeNumber(indent, 'indent'), 0), 100));
    const separators = given.get('separators');
    const [between = '', colon = ''] =
      separators === undefined || separators === null
        ? [space === undefined ? ', ' : ',', ': ']
        : itemsOf(separators).map(stringOf);
    return jsonText(defined(value), {
      indent: space,
      separators: [between, colon],
      sortsKeys: given.isTrue('sort_keys'),
      isAscii: given.isTrue('ensure_ascii'),
    });
  }),
  trim: filter('chars', (value, given) => strip(stringOf(value), given.get('chars'), true, true)),
  truncate: filter('length killwords end leeway', (value, given) => truncated(stringOf(value), given)),
  unique: filter('case_sensitive attribute', (value, given) => {
    const attribute = given.attributeOf();
    const seen = new Set<Value>();
    return itemsOf(value).filter((item) => {
      const key = keyOf(folded(attribute(item), given.isTrue('case_sensitive')));
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  }),
  urlencode: filter('', (value) => {
    if (value instanceof Map)
      return [...value]
        .map(([key, each]) => `${encoded(stringOf(key), '')}=${encoded(stringOf(each), '')}`)
        .join('&');
    return encoded(stringOf(value), '/');
  }),
  wordcount: filter('', (value) => (stringOf(value).match(/[\p{L}\p{N}_]+/gu) ?? []).length),
};

export const FILTER_NAMES: ReadonlySet<string> = new Set(Object.keys(FILTERS));

/** @throws ValueFault for an unknown filter or values that it cannot take */
export function applyFilter(
  name: string,
  value: Value,
  positional: readonly Value[],
  named: NamedArguments,
  context: EvaluationContext,
): Value {
  if (!FILTER_NAMES.has(name)) throw new ValueFault(`there is no filter named "${name}"`);
  const found = FILTERS[name]!;
  if (Array.isArray(value) || typeof value === 'string') context.work(value.length);
  try {
    return found.apply(value, new Arguments(found.names, positional, named, context));
  } catch (error) {
    if (error instanceof ValueFault && !error.message.startsWith('|'))
      throw new ValueFault(`|${name}: ${error.message}`);
    throw error;
  }
}

function present(item: Value | undefined, missing: string): Value {
  return item === undefined ? new Undefined(missing) : item;
}

function mapped(value: Value, given: Arguments): Value {
  const { context, positional, named } = given;
  if (positional.length === 0 && named.has('attribute')) {
    const attribute = new Arguments('attribute default', [], named, context).attributeOf();
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

function selected(value: Value, given: Arguments, byAttribute: boolean, isWanted: boolean): Value {
  const { context, positional } = given;
  const attribute = byAttribute
    ? new Arguments('attribute', positional.slice(0, 1), new Map(), context).attributeOf()
    : (item: Value) => item;
  const [test, ...rest] = byAttribute ? positional.slice(1) : positional;
  return itemsOf(value).filter((item) => {
    const looked = attribute(item);
    const holds = test === undefined ? isTrue(looked) : context.test(textOf(test, 'test'), looked, rest);
    return holds === isWanted;
  });
}

function extreme(value: Value, given: Arguments, sign: 1 | -1): Value {
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

function rounded(value: number, precision: number, method: string): PythonFloat {
  const factor = 10 ** precision;
  if (method === 'ceil') return new PythonFloat(Math.ceil(value * factor) / factor);
  if (method === 'floor') return new PythonFloat(Math.floor(value * factor) / factor);
  if (method !== 'common') throw new ValueFault('method must be common, ceil or floor');
  // Ties of the exact binary value go to the even digit.
  const places = Math.min(Math.max(precision, 0), 100);
  const size = Math.abs(value);
  if (precision < 0 || places > 70) return new PythonFloat(Math.round(value * factor) / factor);
  const nearest = Number(padded(percentFormat(`%.${places}f`, new PythonFloat(size)), 0, ' ', '>'));
  return new PythonFloat(value < 0 ? -nearest : nearest);
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

function wholeOf(value: Value, base: number): number | undefined {
  const given = numberOf(value);
  if (given !== undefined) return Number.isFinite(given) ? Math.trunc(given) : undefined;
  if (!isText(value)) return undefined;
  const text = strip(stringOf(value), undefined, true, true).replaceAll('_', '').toLowerCase();
  if (base === 10) {
    if (/^[-+]?\d+$/.test(text)) return Number(text);
    return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/.test(text) ? Math.trunc(Number(text)) : undefined;
  }
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.replace(/^[-+]/, '').replace({ 16: /^0x/, 8: /^0o/, 2: /^0b/ }[base] ?? /^$/, '');
  const parsed = Number.parseInt(digits, base);
  return Number.isNaN(parsed) || parsed.toString(base) !== digits.replace(/^0+(?=.)/, '')
    ? undefined
    : sign * parsed;
}

function number(value: Value): number {
  const found = numberOf(defined(value));
  if (found !== undefined) return found;
  throw new ValueFault(`expected a number, found ${representation(value)}`);
}

function sameKind(value: Value, result: number): Value {
  return value instanceof PythonFloat ? new PythonFloat(result) : result;
}

function escaped(text: string): SafeText {
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&#34;',
    "'": '&#39;',
  };
  return new SafeText(text.replace(/[&<>"']/g, (each) => names[each] ?? each));
}

function encoded(text: string, kept: string): string {
  return encodeURIComponent(text.replace(/\p{Cs}/gu, '\ufffd'))
    .replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', kept === '/' ? '/' : '%2F');
}

function fileSize(bytes: number, isBinary: boolean): string {
  const base = isBinary ? 1024 : 1000;
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${bytes} Bytes`;
  const units = isBinary
    ? ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB']
    : ['kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
  let power = 1;
  while (power < units.length && bytes >= base ** (power + 1)) power += 1;
  return `${(bytes / base ** power).toFixed(1)} ${units[power - 1]}`;
}

function truncated(text: string, given: Arguments): string {
  const length = given.whole('length', 255);
  const end = given.text('end', '...');
  if (lengthOf(text) <= length + given.whole('leeway', 5)) return text;
  const kept = [...text].slice(0, Math.max(length - lengthOf(end), 0)).join('');
  if (given.isTrue('killwords')) return kept + end;
  const space = kept.lastIndexOf(' ');
  return (space < 0 ? kept : kept.slice(0, space)) + end;
}
