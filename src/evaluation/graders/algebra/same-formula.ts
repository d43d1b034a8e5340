/**
 * Whether two formulas are the same function of their letters, in place of a computer algebra system's simplify(a - b) == 0: both
 * are evaluated at fixed points, exactly where only fractions occur.
 */
import { type Expression, parseFormula, symbolsOf, UnreadableFormula } from './expression.js';
import * as value from './value.js';
import { NoValue, type Value } from './value.js';

/** Undefined: one of them cannot be read, or has no value at most points. */
export function isSameFormula(given: string, expected: string): boolean | undefined {
  try {
    const [a, b] = [parseFormula(given), parseFormula(expected)];
    const names = [...new Set([...symbolsOf(a), ...symbolsOf(b)])].sort();
    const points = names.length === 0 ? 1 : POINTS;
    let met = 0;
    for (let point = 0; point < points; point++) {
      const letters = new Map(names.map((name, place) => [name, letterValue(place, point)]));
      const pair = valuesAt([a, b], letters);
      if (pair === undefined) continue;
      if (!value.isSameValue(pair[0], pair[1])) return false;
      met += 1;
    }
    return met * 2 >= points ? true : undefined;
  } catch (error) {
    if (error instanceof UnreadableFormula) return undefined;
    throw error;
  }
}

const POINTS = 6;
const PRIMES = [7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n];

/** Fractions of both signs without a common pattern. */
function letterValue(place: number, point: number): Value {
  const prime = PRIMES[(place + point) % PRIMES.length] ?? 7n;
  const sign = (place * 3 + point) % 2 === 0 ? 1n : -1n;
  return value.fraction(sign * (prime + BigInt(place * point)), BigInt(3 + ((place * 5 + point) % 7)));
}

function valuesAt(
  [a, b]: readonly [Expression, Expression],
  letters: ReadonlyMap<string, Value>,
): readonly [Value, Value] | undefined {
  try {
    return [evaluate(a, letters), evaluate(b, letters)];
  } catch (error) {
    if (error instanceof NoValue) return undefined;
    throw error;
  }
}

function evaluate(expression: Expression, letters: ReadonlyMap<string, Value>): Value {
  switch (expression.kind) {
    case 'number':
      return value.fraction(expression.digits, 10n ** BigInt(expression.decimals));
    case 'symbol': {
      const known = letters.get(expression.name);
      if (known === undefined) throw new NoValue();
      return known;
    }
    case 'call': {
      const [a, b] = expression.operands.map((operand) => evaluate(operand, letters));
      if (a === undefined) throw new NoValue();
      return apply(expression.operation, a, b ?? a);
    }
  }
}

function apply(operation: Extract<Expression, { kind: 'call' }>['operation'], a: Value, b: Value): Value {
  switch (operation) {
    case 'add':
      return value.add(a, b);
    case 'negate':
      return value.negate(a);
    case 'multiply':
      return value.multiply(a, b);
    case 'divide':
      return value.divide(a, b);
    case 'power':
      return value.power(a, b);
    case 'root':
      return value.power(a, value.divide(value.fraction(1n), b));
    case 'absolute':
      return value.absolute(a);
    case 'factorial':
      return value.fraction(value.factorial(value.wholeNumber(a)));
    case 'binomial': {
      const [n, k] = [value.wholeNumber(a), value.wholeNumber(b)];
      if (k > n) return value.fraction(0n);
      return value.fraction(value.factorial(n), value.factorial(k) * value.factorial(n - k));
    }
    case 'floor':
      return value.floor(a);
    case 'ceiling':
      return value.negate(value.floor(value.negate(a)));
    case 'log':
      return value.log(a);
    case 'exp':
      return value.exp(a);
    case 'sin':
      return value.real(a, Math.sin);
    case 'cos':
      return value.real(a, Math.cos);
    case 'tan':
      return value.real(a, Math.tan);
    case 'arcsin':
      return value.real(a, Math.asin);
    case 'arccos':
      return value.real(a, Math.acos);
    case 'arctan':
      return value.real(a, Math.atan);
  }
}
