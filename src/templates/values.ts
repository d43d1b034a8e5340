/** Values as Python has them: whole numbers and others apart, lists and tuples, dictionaries in the order of their making. */
import { isMarkable, unmarked } from './given-marks.js';
import { ValueFault } from './template-error.js';

export type Value =
  | string
  | boolean
  | null
  /** A whole number. */
  | number
  | PythonFloat
  | Undefined
  | Value[]
  | Tuple
  | Map<Value, Value>
  | Namespace
  | Callable
  | SafeText;

export class PythonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** What is not there: prints as nothing, is false, and fails when it is used. */
export class Undefined {
  readonly description: string;
  /** Printing it, asking whether it is true or going over it fails, too. */
  readonly isStrict: boolean;

  constructor(description: string, isStrict = false) {
    this.description = description;
    this.isStrict = isStrict;
  }
}

export class Tuple {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** `namespace()`: its attributes can be set from within loops. */
export class Namespace {
  readonly attributes: Map<string, Value>;

  constructor(attributes: Map<string, Value>) {
    this.attributes = attributes;
  }
}

/** Text that has been escaped for HTML. */
export class SafeText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type NamedArguments = ReadonlyMap<string, Value>;

export class Callable {
  readonly name: string;
  readonly call: (positional: readonly Value[], named: NamedArguments) => Value;
  /** As of `loop` and macros. */
  readonly attributes: ReadonlyMap<string, () => Value>;

  constructor(
    name: string,
    call: (positional: readonly Value[], named: NamedArguments) => Value,
    attributes: ReadonlyMap<string, () => Value> = new Map(),
  ) {
    this.name = name;
    this.call = call;
    this.attributes = attributes;
  }
}

/**
 * Plain data, as JSON has it, to values.
 * @param change of every text, keys too. Default: none
 * @throws ValueFault for what JSON does not have
 */
export function toValue(data: unknown, change: (text: string) => string = (text) => text): Value {
  switch (typeof data) {
    case 'string':
      return change(data);
    case 'boolean':
      return data;
    case 'number':
      return Number.isInteger(data) ? data : new PythonFloat(data);
    case 'undefined':
      return new Undefined('a value is undefined');
    case 'object':
      if (data === null) return null;
      if (Array.isArray(data)) return data.map((item: unknown) => toValue(item, change));
      return new Map(
        Object.entries(data)
          .filter(([, value]) => value !== undefined)
          .map(([key, value]) => [change(key), toValue(value, change)]),
      );
    default:
      throw new ValueFault(`a ${typeof data} is no value of a template`);
  }
}

export function isTrue(value: Value): boolean {
  if (typeof value === 'string') return value !== '';
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'boolean') return value;
  if (value === null) return false;
  if (value instanceof Undefined) {
    refuseStrict(value);
    return false;
  }
  if (value instanceof PythonFloat) return value.value !== 0;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Map) return value.size > 0;
  if (value instanceof SafeText) return value.text !== '';
  return true;
}

/** The name that Python gives the type. */
export function typeName(value: Value): string {
  if (typeof value === 'string') return 'str';
  if (typeof value === 'number') return 'int';
  if (typeof value === 'boolean') return 'bool';
  if (value === null) return 'NoneType';
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof PythonFloat) return 'float';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Map) return 'dict';
  if (value instanceof Namespace) return 'Namespace';
  if (value instanceof SafeText) return 'Markup';
  return 'function';
}

/** @throws ValueFault where nothing may be made of it */
export function refuseStrict(value: Undefined): void {
  if (value.isStrict) throw new ValueFault(value.description);
}

/** @throws ValueFault for what is undefined */
export function defined(value: Value): Exclude<Value, Undefined> {
  if (value instanceof Undefined) throw new ValueFault(value.description);
  return value;
}

/** The number, booleans counted as 1 and 0; undefined for other values. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (value instanceof PythonFloat) return value.value;
  return typeof value === 'boolean' ? Number(value) : undefined;
}

/** @throws ValueFault for what is no whole number */
export function wholeNumber(value: Value, what: string): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  throw new ValueFault(`${what}: expected a whole number, found ${typeName(value)}`);
}

/** @throws ValueFault for what is no text */
export function textOf(value: Value, what: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof SafeText) return value.text;
  if (value instanceof Undefined) throw new ValueFault(value.description);
  throw new ValueFault(`${what}: expected a string, found ${typeName(value)}`);
}

/** What a loop goes over. @throws ValueFault for what cannot be gone over */
export function itemsOf(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (value instanceof Map) return [...value.keys()];
  if (typeof value === 'string') return [...value];
  if (value instanceof SafeText) return [...value.text];
  if (value instanceof Undefined) {
    refuseStrict(value);
    return [];
  }
  throw new ValueFault(`'${typeName(value)}' object is not iterable`);
}

export function lengthOf(value: Value): number {
  if (value instanceof Map) return value.size;
  if (typeof value === 'string' && !/[\ud800-\udfff]/.test(value)) return value.length;
  if (
    value === null ||
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    value instanceof PythonFloat
  )
    throw new ValueFault(`object of type '${typeName(value)}' has no len()`);
  return itemsOf(value).length;
}

export function isEqual(a: Value, b: Value): boolean {
  for (const each of [a, b]) if (each instanceof Undefined) refuseStrict(each);
  if (a === b) return true;
  const first = numberOf(a);
  const second = numberOf(b);
  if (first !== undefined || second !== undefined) return first === second;
  if (isText(a) || isText(b))
    return isText(a) && isText(b) && unmarked(textOf(a, '')) === unmarked(textOf(b, ''));
  if (a instanceof Undefined) return b instanceof Undefined;
  if (Array.isArray(a)) return Array.isArray(b) && haveEqualItems(a, b);
  if (a instanceof Tuple) return b instanceof Tuple && haveEqualItems(a.items, b.items);
  if (a instanceof Map && b instanceof Map) {
    if (a.size !== b.size) return false;
    for (const [key, value] of a) {
      const other = lookUp(b, key);
      if (other === undefined || !isEqual(value, other)) return false;
    }
    return true;
  }
  return false;
}

function haveEqualItems(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((value, index) => isEqual(value, b[index]!));
}

/** Below 0, 0 or above, as Python orders. @throws ValueFault for values without an order */
export function compare(a: Value, b: Value, operator = '<'): number {
  const first = numberOf(a);
  const second = numberOf(b);
  if (first !== undefined && second !== undefined) return first - second;
  if (isText(a) && isText(b)) return compareTexts(textOf(a, ''), textOf(b, ''));
  if ((Array.isArray(a) && Array.isArray(b)) || (a instanceof Tuple && b instanceof Tuple)) {
    const [left, right] = [itemsOf(a), itemsOf(b)];
    for (let at = 0; at < Math.min(left.length, right.length); at++) {
      if (!isEqual(left[at]!, right[at]!)) return compare(left[at]!, right[at]!, operator);
    }
    return left.length - right.length;
  }
  throw new ValueFault(
    `'${operator}' not supported between instances of '${typeName(defined(a))}' and '${typeName(defined(b))}'`,
  );
}

/** By code points: surrogates come after the rest of the first plane. */
function compareTexts(a: string, b: string): number {
  const [left, right] = [[...unmarked(a)], [...unmarked(b)]];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const difference = left[at]!.codePointAt(0)! - right[at]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function isText(value: Value): value is string | SafeText {
  return typeof value === 'string' || value instanceof SafeText;
}

/** Whether `a in b`. */
export function isIn(a: Value, b: Value): boolean {
  if (isText(b)) {
    if (!isText(a))
      throw new ValueFault(`'in <string>' requires string as left operand, not ${typeName(defined(a))}`);
    return unmarked(textOf(b, '')).includes(unmarked(textOf(a, '')));
  }
  if (b instanceof Map) return lookUp(b, a) !== undefined;
  if (b instanceof Undefined) return false;
  if (Array.isArray(b) || b instanceof Tuple) return itemsOf(b).some((item) => isEqual(item, a));
  throw new ValueFault(`argument of type '${typeName(b)}' is not iterable`);
}

/** The value of a key, numbers found whatever their kind; undefined where there is none. */
export function lookUp(map: ReadonlyMap<Value, Value>, key: Value): Value | undefined {
  const found = map.get(keyOf(key));
  if (found !== undefined) return found;
  const mayBeMarked = isText(key) && isMarkable(unmarked(textOf(key, '')));
  if (!(key instanceof Tuple || mayBeMarked)) return undefined;
  for (const [each, value] of map) if (isEqual(each, key)) return value;
  return undefined;
}

/** The form in which a key is kept. @throws ValueFault for what cannot be one */
export function keyOf(key: Value): Value {
  if (key instanceof PythonFloat && Number.isInteger(key.value)) return key.value;
  if (key instanceof SafeText) return key.text;
  if (Array.isArray(key) || key instanceof Map) throw new ValueFault(`unhashable type: '${typeName(key)}'`);
  return key;
}
