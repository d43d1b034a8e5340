/** Methods of texts, dictionaries and lists, by Python's names. */
import { braceFormat, padded } from './formatting.js';
import { unmarked } from './given-marks.js';
import { ValueFault } from './template-error.js';
import {
  Callable,
  defined,
  isEqual,
  itemsOf,
  keyOf,
  lengthOf,
  lookUp,
  type NamedArguments,
  PythonFloat,
  SafeText,
  Tuple,
  textOf,
  Undefined,
  type Value,
  wholeNumber,
} from './values.js';

type Method<Target> = (target: Target, positional: readonly Value[], named: NamedArguments) => Value;

/** White space of Python. */
const SPACE = '[\\s\\x1c-\\x1f\\x85]';
const TAKE_NAMES = new Set(['split', 'rsplit', 'splitlines']);
/** Ends of lines, of which one may be two characters. */
const LINE_END = '[\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029]';
/** They would change what was given to the template, which the sandbox of Jinja refuses. */
const CHANGING = new Set(
  'append extend insert pop remove reverse sort clear update setdefault popitem add discard'.split(' '),
);

/** @param attribute reads an attribute or item, for `.format` */
export function methodOf(
  target: Value,
  name: string,
  attribute: (target: Value, name: Value, isIndex: boolean) => Value,
): Value | undefined {
  const bound = <Target extends Value>(methods: Readonly<Record<string, Method<Target>>>, self: Target) =>
    Object.hasOwn(methods, name)
      ? new Callable(name, (positional, named) => {
          if (named.size > 0 && !TAKE_NAMES.has(name))
            throw new ValueFault(`${name}() takes no keyword arguments`);
          return methods[name]!(self, positional, named);
        })
      : undefined;
  if (typeof target === 'string' || target instanceof SafeText) {
    const text = textOf(target, '');
    if (name === 'format')
      return new Callable(name, (positional, named) => braceFormat(text, positional, named, attribute));
    return bound(TEXT_METHODS, text);
  }
  const isContainer = target instanceof Map || Array.isArray(target);
  if (
    isContainer &&
    CHANGING.has(name) &&
    !(
      target instanceof Map &&
      ['append', 'extend', 'insert', 'remove', 'reverse', 'sort', 'add', 'discard'].includes(name)
    )
  ) {
    return new Callable(name, () => {
      throw new ValueFault(`"${name}" would change a value that was given, which is not allowed`);
    });
  }
  if (target instanceof Map) return bound(MAP_METHODS, target);
  if (Array.isArray(target) || target instanceof Tuple) return bound(LIST_METHODS, [...itemsOf(target)]);
  if (target instanceof PythonFloat && name === 'is_integer')
    return new Callable(name, () => Number.isInteger(target.value));
  return undefined;
}

const MAP_METHODS: Readonly<Record<string, Method<Map<Value, Value>>>> = {
  items: (map) => [...map].map((entry) => new Tuple(entry)),
  keys: (map) => [...map.keys()],
  values: (map) => [...map.values()],
  get(map, [key, otherwise = null]) {
    const found = lookUp(map, keyOf(defined(required(key))));
    return found === undefined ? otherwise : found;
  },
  copy: (map) => new Map(map),
};

const LIST_METHODS: Readonly<Record<string, Method<Value[]>>> = {
  index(list, [wanted]) {
    const at = list.findIndex((item) => isEqual(item, required(wanted)));
    if (at < 0) throw new ValueFault('the value is not in the list');
    return at;
  },
  count: (list, [wanted]) => list.filter((item) => isEqual(item, required(wanted))).length,
  copy: (list) => [...list],
};

const text = (value: Value | undefined, what = 'argument'): string => textOf(required(value), what);
/** For comparisons: marks count as what they stand for. */
const plain = (value: Value | undefined): string => unmarked(text(value));

const TEXT_METHODS: Readonly<Record<string, Method<string>>> = {
  strip: (self, [characters]) => strip(self, characters, true, true),
  lstrip: (self, [characters]) => strip(self, characters, true, false),
  rstrip: (self, [characters]) => strip(self, characters, false, true),
  split: (self, positional, named) => split(self, positional, named, false),
  rsplit: (self, positional, named) => split(self, positional, named, true),
  splitlines: (self, [given], named) => {
    const keep = given ?? named.get('keepends') ?? false;
    const lines = self.match(new RegExp(`(?:(?!${LINE_END})[\\s\\S])*(?:\\r\\n|${LINE_END}|$)`, 'g')) ?? [];
    if (lines.at(-1) === '') lines.pop();
    return keep === true
      ? lines
      : lines.map((line) => line.replace(new RegExp(`(?:\\r\\n|${LINE_END})$`), ''));
  },
  upper: (self) => self.toUpperCase(),
  lower: (self) => self.toLowerCase(),
  casefold: (self) => self.toLowerCase().replaceAll('ß', 'ss'),
  title: (self) => titleCase(self),
  capitalize: (self) => capitalized(self),
  swapcase: (self) =>
    [...self].map((each) => (each === each.toUpperCase() ? each.toLowerCase() : each.toUpperCase())).join(''),
  startswith: (self, [prefix, start, end]) =>
    prefixes(prefix).some((each) => unmarked(part(self, start, end)).startsWith(each)),
  endswith: (self, [suffix, start, end]) =>
    prefixes(suffix).some((each) => unmarked(part(self, start, end)).endsWith(each)),
  removeprefix: (self, [prefix]) =>
    unmarked(self).startsWith(plain(prefix)) ? self.slice(text(prefix).length) : self,
  removesuffix: (self, [suffix]) =>
    text(suffix) !== '' && unmarked(self).endsWith(plain(suffix))
      ? self.slice(0, -text(suffix).length)
      : self,
  replace(self, [from, to, count]) {
    return replaced(self, text(from), text(to), count === undefined ? -1 : wholeNumber(count, 'count'));
  },
  find: (self, [wanted, start, end]) => find(self, wanted, start, end, false),
  rfind: (self, [wanted, start, end]) => find(self, wanted, start, end, true),
  index(self, [wanted, start, end]) {
    const at = find(self, wanted, start, end, false);
    if (at < 0) throw new ValueFault('substring not found');
    return at;
  },
  count: (self, [wanted]) =>
    text(wanted) === '' ? lengthOf(self) + 1 : splitAt(self, text(wanted)).length - 1,
  join: (self, [items]) =>
    itemsOf(required(items))
      .map((item, index) => text(item, `item ${index} of join`))
      .join(self),
  partition(self, [separator]) {
    const at = unmarked(self).indexOf(plain(separator));
    if (at < 0) return new Tuple([self, '', '']);
    return new Tuple([self.slice(0, at), text(separator), self.slice(at + text(separator).length)]);
  },
  rpartition(self, [separator]) {
    const at = unmarked(self).lastIndexOf(plain(separator));
    if (at < 0) return new Tuple(['', '', self]);
    return new Tuple([self.slice(0, at), text(separator), self.slice(at + text(separator).length)]);
  },
  zfill: (self, [width]) => padded(self, wholeNumber(required(width), 'width'), '0', '='),
  center: (self, [width, fill]) =>
    centred(self, wholeNumber(required(width), 'width'), fill === undefined ? ' ' : text(fill)),
  ljust: (self, [width, fill]) =>
    padded(self, wholeNumber(required(width), 'width'), fill === undefined ? ' ' : text(fill), '<'),
  rjust: (self, [width, fill]) =>
    padded(self, wholeNumber(required(width), 'width'), fill === undefined ? ' ' : text(fill), '>'),
  isdigit: (self) => /^[\p{Nd}\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089]+$/u.test(self),
  isdecimal: (self) => /^\p{Nd}+$/u.test(self),
  isnumeric: (self) => /^\p{N}+$/u.test(self),
  isalpha: (self) => /^\p{L}+$/u.test(self),
  isalnum: (self) => /^[\p{L}\p{N}]+$/u.test(self),
  isspace: (self) => new RegExp(`^${SPACE}+$`, 'u').test(self),
  isupper: (self) => self !== self.toLowerCase() && self === self.toUpperCase(),
  islower: (self) => self !== self.toUpperCase() && self === self.toLowerCase(),
  istitle: (self) => self === titleCase(self) && /\p{L}/u.test(self),
  isidentifier: (self) => /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(self),
  isascii: (self) => ![...unmarked(self)].some((each) => each > '\u007f'),
  expandtabs: (self) => self.replaceAll('\t', '        '),
};

function required(value: Value | undefined): Value {
  if (value !== undefined) return value;
  throw new ValueFault('an argument is missing');
}

export function strip(self: string, characters: Value | undefined, atStart: boolean, atEnd: boolean): string {
  if (characters === undefined || characters === null) {
    const start = atStart ? (new RegExp(`^${SPACE}+`, 'u').exec(self)?.[0].length ?? 0) : 0;
    if (!atEnd) return self.slice(start);
    let end = self.length;
    const isSpace = new RegExp(SPACE, 'u');
    while (end > start && isSpace.test(self[end - 1]!)) end -= 1;
    return self.slice(start, end);
  }
  const unwanted = new Set(plain(characters));
  const all = [...self];
  const isUnwanted = (character: string) => unwanted.has(unmarked(character));
  let start = 0;
  let end = all.length;
  while (atStart && start < end && isUnwanted(all[start]!)) start += 1;
  while (atEnd && end > start && isUnwanted(all[end - 1]!)) end -= 1;
  return all.slice(start, end).join('');
}

function split(
  self: string,
  [given, count]: readonly Value[],
  named: NamedArguments,
  fromEnd: boolean,
): Value[] {
  const separator = given ?? named.get('sep') ?? null;
  const limitValue = count ?? named.get('maxsplit');
  const limit = limitValue === undefined ? -1 : wholeNumber(limitValue, 'maxsplit');
  if (separator === null || separator instanceof Undefined) return splitAtSpace(self, limit, fromEnd);
  const mark = text(separator);
  if (mark === '') throw new ValueFault('empty separator');
  const parts = splitAt(self, mark);
  if (limit < 0 || parts.length - 1 <= limit) return parts;
  return fromEnd
    ? [parts.slice(0, parts.length - limit).join(mark), ...parts.slice(parts.length - limit)]
    : [...parts.slice(0, limit), parts.slice(limit).join(mark)];
}

/** The pieces between the separators, with the marks that they have. */
function splitAt(self: string, separator: string): string[] {
  let at = 0;
  return unmarked(self)
    .split(unmarked(separator))
    .map((piece) => {
      const own = self.slice(at, at + piece.length);
      at += piece.length + separator.length;
      return own;
    });
}

/** @param count of replacements; below 0: all */
export function replaced(self: string, from: string, to: string, count: number): string {
  let left = count < 0 ? Number.POSITIVE_INFINITY : count;
  let out = '';
  let done = 0;
  // The places are those of the text without marks; what is kept keeps its own.
  unmarked(self).replaceAll(unmarked(from), (whole, at: number) => {
    if (left-- > 0) {
      out += self.slice(done, at) + to;
      done = at + whole.length;
    }
    return whole;
  });
  return out + self.slice(done);
}

function splitAtSpace(self: string, limit: number, fromEnd: boolean): Value[] {
  const words = [...self.matchAll(new RegExp(`(?:(?!${SPACE})[\\s\\S])+`, 'gu'))];
  if (limit < 0 || words.length <= limit) return words.map(([word]) => word);
  if (!fromEnd) {
    const rest = words[limit];
    return [
      ...words.slice(0, limit).map(([word]) => word),
      ...(rest === undefined ? [] : [self.slice(rest.index)]),
    ];
  }
  const last = words[words.length - limit - 1]!;
  return [
    self.slice(0, last.index + last[0].length),
    ...words.slice(words.length - limit).map(([word]) => word),
  ];
}

function prefixes(value: Value | undefined): string[] {
  const given = required(value);
  return given instanceof Tuple ? given.items.map((each) => plain(each)) : [plain(given)];
}

function part(self: string, start: Value | undefined, end: Value | undefined): string {
  if (start === undefined && end === undefined) return self;
  const all = [...self];
  const at = (value: Value | undefined) =>
    value === undefined || value === null ? undefined : wholeNumber(value, 'index');
  return all.slice(at(start), at(end)).join('');
}

function find(
  self: string,
  wanted: Value | undefined,
  start: Value | undefined,
  end: Value | undefined,
  fromEnd: boolean,
): number {
  const within = part(self, start, end);
  const seen = unmarked(within);
  const at = fromEnd ? seen.lastIndexOf(plain(wanted)) : seen.indexOf(plain(wanted));
  if (at < 0) return -1;
  const offset = start === undefined || start === null ? 0 : wholeNumber(start, 'index');
  const skipped = offset < 0 ? Math.max(lengthOf(self) + offset, 0) : offset;
  return lengthOf(within.slice(0, at)) + skipped;
}

export function capitalized(self: string): string {
  const [first = '', ...rest] = self;
  return first.toUpperCase() + rest.join('').toLowerCase();
}

function titleCase(self: string): string {
  return self.replace(/\p{L}+/gu, (word) => capitalized(word));
}

/** Python puts the odd space to the left where the width is odd too. */
export function centred(self: string, width: number, fill: string): string {
  const missing = Math.max(width - lengthOf(self), 0);
  const left = (missing >> 1) + (missing & width & 1);
  return padded(fill.repeat(left) + self, width, fill, '<');
}
