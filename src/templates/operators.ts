/** Operators between two values, and slices. */
import { stringOf } from './printing.js';
import type { BinaryOperator, CompareOperator } from './syntax.js';
import { ValueFault } from './template-error.js';
import { compare, isEqual, isIn, isText, Tuple, type Value } from './values.js';

export function holds(operator: CompareOperator, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return isEqual(left, right);
    case '!=':
      return !isEqual(left, right);
    case 'in':
      return isIn(left, right);
    case 'not in':
      return !isIn(left, right);
    case '<':
      return compare(left, right, operator) < 0;
    case '<=':
      return compare(left, right, operator) <= 0;
    case '>':
      return compare(left, right, operator) > 0;
    case '>=':
      return compare(left, right, operator) >= 0;
  }
  operator satisfies never;
  return false;
}

export function concatenated(left: Value, right: Value): Value | undefined {
  if (isText(left) && isText(right)) return stringOf(left) + stringOf(right);
  if (Array.isArray(left) && Array.isArray(right)) return [...left, ...right];
  if (left instanceof Tuple && right instanceof Tuple) return new Tuple([...left.items, ...right.items]);
  return undefined;
}

export function arithmetic(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '**':
      return a ** b;
    case '/':
    case '//':
    case '%':
      if (b === 0) throw new ValueFault('division by zero');
      if (operator === '/') return a / b;
      if (operator === '//') return Math.floor(a / b);
      // The sign of the divisor.
      return a - b * Math.floor(a / b);
  }
  operator satisfies never;
  return 0;
}

/** As `items[start:stop:step]`. */
export function sliced(
  items: readonly Value[],
  start: number | undefined,
  stop: number | undefined,
  step: number,
): Value[] {
  if (step === 0) throw new ValueFault('slice step cannot be zero');
  const { length } = items;
  const clamp = (value: number, low: number, high: number) =>
    Math.min(Math.max(value < 0 ? value + length : value, low), high);
  const out: Value[] = [];
  if (step > 0) {
    const end = clamp(stop ?? length, 0, length);
    for (let at = clamp(start ?? 0, 0, length); at < end; at += step) out.push(items[at]!);
    return out;
  }
  const end = stop === undefined ? -1 : clamp(stop, -1, length - 1);
  for (let at = start === undefined ? length - 1 : clamp(start, -1, length - 1); at > end; at += step)
    out.push(items[at]!);
  return out;
}
