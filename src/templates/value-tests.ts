/** What may follow `is`. */
import type { EvaluationContext } from './evaluation-context.js';
import { FILTER_NAMES } from './filters.js';
import { ValueFault } from './template-error.js';
import {
  Callable,
  compare,
  isEqual,
  isIn,
  isText,
  numberOf,
  PythonFloat,
  SafeText,
  Tuple,
  textOf,
  Undefined,
  type Value,
} from './values.js';

type ValueTest = (value: Value, positional: readonly Value[], context: EvaluationContext) => boolean;

const equal: ValueTest = (value, [other]) => isEqual(value, argument(other));
const unequal: ValueTest = (value, [other]) => !isEqual(value, argument(other));
const less: ValueTest = (value, [other]) => compare(value, argument(other), '<') < 0;
const lessOrEqual: ValueTest = (value, [other]) => compare(value, argument(other), '<=') <= 0;
const greater: ValueTest = (value, [other]) => compare(value, argument(other), '>') > 0;
const greaterOrEqual: ValueTest = (value, [other]) => compare(value, argument(other), '>=') >= 0;

const TESTS: Readonly<Record<string, ValueTest>> = {
  defined: (value) => !(value instanceof Undefined),
  undefined: (value) => value instanceof Undefined,
  none: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  true: (value) => value === true,
  false: (value) => value === false,
  integer: (value) => typeof value === 'number',
  float: (value) => value instanceof PythonFloat,
  number: (value) => numberOf(value) !== undefined,
  string: (value) => isText(value),
  mapping: (value) => value instanceof Map,
  sequence: (value) =>
    isText(value) || Array.isArray(value) || value instanceof Tuple || value instanceof Map,
  iterable: (value) =>
    isText(value) ||
    Array.isArray(value) ||
    value instanceof Tuple ||
    value instanceof Map ||
    value instanceof Undefined,
  callable: (value) => value instanceof Callable,
  sameas: (value, [other]) => value === argument(other),
  escaped: (value) => value instanceof SafeText,
  odd: (value) => remainder(value, 2) === 1,
  even: (value) => remainder(value, 2) === 0,
  divisibleby: (value, [other]) => remainder(value, numberOf(argument(other)) ?? Number.NaN) === 0,
  lower: (value) => cased(value, (text) => text.toLowerCase()),
  upper: (value) => cased(value, (text) => text.toUpperCase()),
  in: (value, [other]) => isIn(value, argument(other)),
  filter: (value) => FILTER_NAMES.has(textOf(value, 'filter')),
  test: (value) => TEST_NAMES.has(textOf(value, 'test')),
  eq: equal,
  equalto: equal,
  '==': equal,
  ne: unequal,
  '!=': unequal,
  lt: less,
  lessthan: less,
  '<': less,
  le: lessOrEqual,
  '<=': lessOrEqual,
  gt: greater,
  greaterthan: greater,
  '>': greater,
  ge: greaterOrEqual,
  '>=': greaterOrEqual,
};

export const TEST_NAMES: ReadonlySet<string> = new Set(Object.keys(TESTS));

/** @throws ValueFault for an unknown test or a value that it cannot look at */
export function applyTest(
  name: string,
  value: Value,
  positional: readonly Value[],
  context: EvaluationContext,
): boolean {
  if (!TEST_NAMES.has(name)) throw new ValueFault(`there is no test named "${name}"`);
  return TESTS[name]!(value, positional, context);
}

function argument(value: Value | undefined): Value {
  if (value !== undefined) return value;
  throw new ValueFault('a test has no value to compare with');
}

function remainder(value: Value, divisor: number): number {
  const number = numberOf(value);
  if (number === undefined) throw new ValueFault('a test for numbers was given something else');
  return ((number % divisor) + divisor) % divisor;
}

function cased(value: Value, change: (text: string) => string): boolean {
  if (!isText(value)) return false;
  const text = textOf(value, 'text');
  return change(text) === text && text.toLowerCase() !== text.toUpperCase();
}
