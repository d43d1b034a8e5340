/** Values of expressions. */

import type { EvaluationContext } from './evaluation-context.js';
import { applyFilter } from './filters.js';
import { percentFormat } from './formatting.js';
import { methodOf } from './methods.js';
import { arithmetic, concatenated, holds, sliced } from './operators.js';
import { representation, stringOf } from './printing.js';
import type { Scope } from './scope.js';
import type { BinaryOperator, CallArguments, Expression } from './syntax.js';
import { RaisedFault, TemplateError, ValueFault } from './template-error.js';
import { applyTest } from './value-tests.js';
import {
  Callable,
  defined,
  isText,
  isTrue,
  itemsOf,
  keyOf,
  lookUp,
  type NamedArguments,
  Namespace,
  numberOf,
  PythonFloat,
  Tuple,
  textOf,
  typeName,
  Undefined,
  type Value,
  wholeNumber,
} from './values.js';

export class Evaluator implements EvaluationContext {
  readonly work: (amount: number) => void;
  readonly #maxLength: number;
  readonly #isStrict: boolean;
  /** What a filter block filters. */
  #blockText: Value = '';

  constructor(work: (amount: number) => void, maxLength: number, isStrict: boolean) {
    this.work = work;
    this.#maxLength = maxLength;
    this.#isStrict = isStrict;
  }

  /** @param blockText for filters without a target */
  evaluate(expression: Expression, scope: Scope, blockText?: string): Value {
    if (blockText !== undefined) this.#blockText = blockText;
    this.work(1);
    try {
      return this.#value(expression, scope);
    } catch (error) {
      if (error instanceof ValueFault)
        throw new TemplateError(error.message, expression.line, error instanceof RaisedFault);
      throw error;
    }
  }

  /** A call with further named arguments. */
  callWith(expression: Expression, scope: Scope, more: NamedArguments): Value {
    if (expression.kind !== 'call') throw new ValueFault('a call block needs a call');
    return this.#call(expression.target, expression.call, scope, more);
  }

  filter(name: string, target: Value, positional: readonly Value[], named: NamedArguments): Value {
    this.work(1);
    return applyFilter(name, target, positional, named, this);
  }

  test(name: string, target: Value, positional: readonly Value[]): boolean {
    this.work(1);
    return applyTest(name, target, positional, this);
  }

  attribute(target: Value, name: Value, isIndex: boolean): Value {
    if (target instanceof Undefined) throw new ValueFault(target.description);
    // None is a value: only what is not there is looked for elsewhere.
    const first = isIndex ? this.#item(target, name) : this.#member(target, name);
    if (first !== undefined) return first;
    const second = isIndex ? this.#member(target, name) : this.#item(target, name);
    if (second !== undefined) return second;
    return new Undefined(
      typeof name === 'string'
        ? `'${typeName(target)} object' has no attribute '${name}'`
        : `${typeName(target)} object has no element ${representation(name)}`,
      this.#isStrict,
    );
  }

  #value(expression: Expression, scope: Scope): Value {
    switch (expression.kind) {
      case 'constant':
        return expression.isFloat === true && typeof expression.value === 'number'
          ? new PythonFloat(expression.value)
          : expression.value;
      case 'name':
        return scope.get(expression.name);
      case 'list':
        return expression.items.map((item) => this.evaluate(item, scope));
      case 'tuple':
        return new Tuple(expression.items.map((item) => this.evaluate(item, scope)));
      case 'dict':
        return new Map(
          expression.entries.map(([key, value]) => [
            keyOf(this.evaluate(key, scope)),
            this.evaluate(value, scope),
          ]),
        );
      case 'concat':
        return this.#limited(expression.items.map((item) => stringOf(this.evaluate(item, scope))).join(''));
      case 'condition': {
        const { test, value, otherwise } = expression;
        if (isTrue(this.evaluate(test, scope))) return this.evaluate(value, scope);
        if (otherwise !== undefined) return this.evaluate(otherwise, scope);
        return new Undefined('the inline if-expression evaluated to false and no else section was defined');
      }
      case 'and': {
        const left = this.evaluate(expression.left, scope);
        return isTrue(left) ? this.evaluate(expression.right, scope) : left;
      }
      case 'or': {
        const left = this.evaluate(expression.left, scope);
        return isTrue(left) ? left : this.evaluate(expression.right, scope);
      }
      case 'not':
        return !isTrue(this.evaluate(expression.operand, scope));
      case 'negative':
      case 'positive': {
        const operand = defined(this.evaluate(expression.operand, scope));
        const sign = expression.kind === 'negative' ? -1 : 1;
        const number = numberOf(operand);
        if (number === undefined)
          throw new ValueFault(`bad operand type for unary ${sign < 0 ? '-' : '+'}: '${typeName(operand)}'`);
        return operand instanceof PythonFloat ? new PythonFloat(sign * number) : sign * number + 0;
      }
      case 'compare':
        return this.#comparison(expression, scope);
      case 'binary':
        return this.#binary(
          expression.operator,
          this.evaluate(expression.left, scope),
          this.evaluate(expression.right, scope),
        );
      case 'attribute':
        return this.attribute(this.evaluate(expression.target, scope), expression.name, false);
      case 'subscript':
        return this.#subscript(expression, scope);
      case 'slice':
        throw new ValueFault('a slice stands alone');
      case 'call':
        return this.#call(expression.target, expression.call, scope, new Map());
      case 'filter': {
        const { target, name, call } = expression;
        const value = target === undefined ? this.#blockText : this.evaluate(target, scope);
        const { positional, named } = this.#arguments(call, scope);
        return this.filter(name, value, positional, named);
      }
      case 'test': {
        const value = this.evaluate(expression.target, scope);
        const { positional } = this.#arguments(expression.call, scope);
        return this.test(expression.name, value, positional) !== expression.isNegated;
      }
    }
    expression satisfies never;
    return null;
  }

  #comparison({ first, rest }: Extract<Expression, { kind: 'compare' }>, scope: Scope): boolean {
    let left = this.evaluate(first, scope);
    for (const { operator, operand } of rest) {
      const right = this.evaluate(operand, scope);
      if (!holds(operator, left, right)) return false;
      left = right;
    }
    return true;
  }

  #subscript({ target, index }: Extract<Expression, { kind: 'subscript' }>, scope: Scope): Value {
    const value = this.evaluate(target, scope);
    if (index.kind !== 'slice') return this.attribute(value, this.evaluate(index, scope), true);
    const bound = (part: Expression | undefined): number | undefined => {
      const given = part === undefined ? null : this.evaluate(part, scope);
      return given === null ? undefined : wholeNumber(given, 'slice');
    };
    const items = sliced(
      isText(value) ? [...stringOf(value)] : itemsOf(defined(value)),
      bound(index.start),
      bound(index.stop),
      bound(index.step) ?? 1,
    );
    if (value instanceof Map) throw new ValueFault('a dictionary cannot be sliced');
    if (isText(value)) return items.map(stringOf).join('');
    return value instanceof Tuple ? new Tuple(items) : items;
  }

  #call(target: Expression, call: CallArguments, scope: Scope, more: NamedArguments): Value {
    const called = this.evaluate(target, scope);
    const { positional, named } = this.#arguments(call, scope);
    if (called instanceof Undefined) throw new ValueFault(called.description);
    if (!(called instanceof Callable)) throw new ValueFault(`'${typeName(called)}' object is not callable`);
    return this.#limited(called.call(positional, new Map([...named, ...more])));
  }

  #arguments(call: CallArguments, scope: Scope): { positional: Value[]; named: Map<string, Value> } {
    const positional = call.positional.map((each) => this.evaluate(each, scope));
    if (call.list !== undefined) positional.push(...itemsOf(this.evaluate(call.list, scope)));
    const named = new Map(call.named.map(([name, value]) => [name, this.evaluate(value, scope)]));
    if (call.map !== undefined) {
      const map = this.evaluate(call.map, scope);
      if (!(map instanceof Map)) throw new ValueFault('argument after ** must be a mapping');
      for (const [name, value] of map) named.set(textOf(name, 'name of an argument'), value);
    }
    return { positional, named };
  }

  #item(target: Value, key: Value): Value | undefined {
    if (target instanceof Map) return isKey(key) ? lookUp(target, keyOf(key)) : undefined;
    if (target instanceof Namespace) return typeof key === 'string' ? target.attributes.get(key) : undefined;
    const index = typeof key === 'boolean' ? Number(key) : key;
    if (typeof index !== 'number') return undefined;
    if (Array.isArray(target)) return target.at(index);
    if (target instanceof Tuple) return target.items.at(index);
    return isText(target) ? [...stringOf(target)].at(index) : undefined;
  }

  #member(target: Value, name: Value): Value | undefined {
    if (!isText(name)) return undefined;
    const key = stringOf(name);
    if (target instanceof Namespace) return target.attributes.get(key);
    if (target instanceof Callable) return target.attributes.get(key)?.();
    return methodOf(target, key, (each, step, isIndex) => this.attribute(each, step, isIndex));
  }

  #binary(operator: BinaryOperator, left: Value, right: Value): Value {
    if (operator === '%' && isText(left)) return this.#limited(percentFormat(stringOf(left), defined(right)));
    const joined =
      operator === '+'
        ? concatenated(left, right)
        : operator === '*'
          ? this.#repeated(left, right)
          : undefined;
    if (joined !== undefined) return this.#limited(joined);
    const [a, b] = [numberOf(defined(left)), numberOf(defined(right))];
    if (a === undefined || b === undefined) {
      throw new ValueFault(
        operator === '+' && isText(left)
          ? `can only concatenate str (not "${typeName(right)}") to str`
          : `unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`,
      );
    }
    const isFloat =
      left instanceof PythonFloat ||
      right instanceof PythonFloat ||
      operator === '/' ||
      (operator === '**' && b < 0);
    const result = arithmetic(operator, a, b);
    return isFloat ? new PythonFloat(result) : result + 0;
  }

  #repeated(left: Value, right: Value): Value | undefined {
    const [value, count] = typeof left === 'number' ? [right, left] : [left, right];
    if (typeof count !== 'number' || !(isText(value) || Array.isArray(value) || value instanceof Tuple))
      return undefined;
    const times = Math.max(count, 0);
    const size = isText(value) ? stringOf(value).length : itemsOf(value).length;
    if (size * times > this.#maxLength)
      throw new ValueFault(`a value has more than ${this.#maxLength} parts`);
    this.work(size * times);
    if (isText(value)) return stringOf(value).repeat(times);
    const items = Array.from({ length: times }, () => itemsOf(value)).flat();
    return value instanceof Tuple ? new Tuple(items) : items;
  }

  #limited<Result extends Value>(value: Result): Result {
    const size = typeof value === 'string' || Array.isArray(value) ? value.length : 0;
    if (size > this.#maxLength) throw new ValueFault(`a value has more than ${this.#maxLength} parts`);
    if (Array.isArray(value)) this.work(size);
    return value;
  }
}

function isKey(value: Value): boolean {
  return !(value instanceof Undefined || Array.isArray(value) || value instanceof Map);
}
