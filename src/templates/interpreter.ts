/** Runs the statements of a template. */
import { Evaluator } from './evaluator.js';
import { stringOf } from './printing.js';
import { type Scope, VariableScope } from './scope.js';
import type { Expression, Macro, Statement, Target } from './syntax.js';
import { RaisedFault, TemplateError, ValueFault } from './template-error.js';
import {
  Callable,
  isEqual,
  isTrue,
  itemsOf,
  type NamedArguments,
  Namespace,
  SafeText,
  Tuple,
  Undefined,
  type Value,
} from './values.js';

export interface RenderLimits {
  /** Statements, expressions and items gone over. */
  readonly maxSteps: number;
  /** Characters of the text. */
  readonly maxLength: number;
  /** What is undefined cannot be printed either. */
  readonly isStrict: boolean;
}

type Leave = 'break' | 'continue' | undefined;
const MAX_CALL_DEPTH = 100;

/** Of a text, in UTF-16 units; the end is the first one behind it. */
export interface TextSpan {
  readonly start: number;
  readonly end: number;
}

export interface TemplateRun {
  readonly text: string;
  /** Where blocks of `generation` stand; undefined where one lies in a text that was set or made by a macro. */
  readonly generations: readonly TextSpan[] | undefined;
}

/** @throws TemplateError for a fault or beyond a limit */
export function runTemplate(
  statements: readonly Statement[],
  globals: ReadonlyMap<string, Value>,
  limits: RenderLimits,
): TemplateRun {
  const interpreter = new Interpreter(limits);
  const output = new Output(limits.maxLength);
  interpreter.run(statements, new VariableScope(undefined, globals, limits.isStrict), output);
  const { text, generations } = output;
  return { text, generations: interpreter.generations === generations.length ? generations : undefined };
}

class Output {
  readonly #maxLength: number;
  readonly generations: TextSpan[] = [];
  text = '';

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  add(text: string): void {
    if (this.text.length + text.length > this.#maxLength)
      throw new ValueFault(`its text has more than ${this.#maxLength} characters`);
    this.text += text;
  }
}

class Interpreter {
  readonly #limits: RenderLimits;
  readonly #evaluator: Evaluator;
  /** Blocks of `generation` that were run. */
  generations = 0;
  #steps = 0;
  #callDepth = 0;

  constructor(limits: RenderLimits) {
    this.#limits = limits;
    this.#evaluator = new Evaluator((amount) => this.#work(amount), limits.maxLength, limits.isStrict);
  }

  run(statements: readonly Statement[], scope: Scope, output: Output): Leave {
    for (const statement of statements) {
      this.#work(1);
      let leave: Leave;
      try {
        leave = this.#statement(statement, scope, output);
      } catch (error) {
        if (error instanceof ValueFault)
          throw new TemplateError(error.message, statement.line, error instanceof RaisedFault);
        if (error instanceof RangeError)
          throw new TemplateError('it is nested too deep or its values are too large', statement.line);
        throw error;
      }
      if (leave !== undefined) return leave;
    }
    return undefined;
  }

  #work(amount: number): void {
    this.#steps += amount;
    if (this.#steps > this.#limits.maxSteps)
      throw new ValueFault(`it takes more than ${this.#limits.maxSteps} steps`);
  }

  #statement(statement: Statement, scope: Scope, output: Output): Leave {
    switch (statement.kind) {
      case 'text':
        output.add(statement.text);
        return undefined;
      case 'output':
        output.add(stringOf(this.#evaluate(statement.value, scope)));
        return undefined;
      case 'if': {
        const branch = statement.branches.find(({ test }) => isTrue(this.#evaluate(test, scope)));
        return this.run(branch?.body ?? statement.otherwise, scope, output);
      }
      case 'for':
        this.#for(statement, scope, output);
        return undefined;
      case 'set':
        this.#assign(statement.target, this.#evaluate(statement.value, scope), scope);
        return undefined;
      case 'set-block': {
        const text = this.#capture(statement.body, scope);
        this.#assign(statement.target, this.#filtered(statement.filter, text, scope), scope);
        return undefined;
      }
      case 'macro':
        scope.set(statement.macro.name, this.#macro(statement.macro, scope));
        return undefined;
      case 'call': {
        const inner = new VariableScope(scope);
        const caller = this.#macro(statement.caller, scope);
        inner.set('caller', caller);
        output.add(stringOf(this.#evaluator.callWith(statement.value, inner, new Map([['caller', caller]]))));
        return undefined;
      }
      case 'filter-block':
        output.add(stringOf(this.#filtered(statement.filter, this.#capture(statement.body, scope), scope)));
        return undefined;
      case 'with': {
        const inner = new VariableScope(scope);
        for (const [target, value] of statement.bindings)
          this.#assign(target, this.#evaluate(value, scope), inner);
        return this.run(statement.body, inner, output);
      }
      case 'generation': {
        const start = output.text.length;
        const leave = this.run(statement.body, new VariableScope(scope), output);
        this.generations += 1;
        output.generations.push({ start, end: output.text.length });
        return leave;
      }
      case 'break':
      case 'continue':
        return statement.kind;
    }
    statement satisfies never;
    return undefined;
  }

  #evaluate(expression: Expression, scope: Scope): Value {
    return this.#evaluator.evaluate(expression, scope);
  }

  #capture(body: readonly Statement[], scope: Scope): string {
    const output = new Output(this.#limits.maxLength);
    this.run(body, new VariableScope(scope), output);
    return output.text;
  }

  #filtered(filter: Expression | undefined, text: string, scope: Scope): Value {
    return filter === undefined ? text : this.#evaluator.evaluate(filter, scope, text);
  }

  #for(statement: Extract<Statement, { kind: 'for' }>, scope: Scope, output: Output): void {
    const items = this.#evaluate(statement.items, scope);
    this.#loop(statement, items, scope, output, 0);
  }

  #loop(
    statement: Extract<Statement, { kind: 'for' }>,
    source: Value,
    scope: Scope,
    output: Output,
    depth: number,
  ): void {
    if (depth > MAX_CALL_DEPTH) throw new ValueFault('a recursive loop is nested too deep');
    const { filter } = statement;
    const all = itemsOf(source);
    this.#work(all.length);
    const items =
      filter === undefined
        ? all
        : all.filter((item) => {
            const inner = new VariableScope(scope);
            this.#assign(statement.target, item, inner);
            return isTrue(this.#evaluate(filter, inner));
          });
    if (items.length === 0) {
      this.run(statement.otherwise, new VariableScope(scope), output);
      return;
    }
    const recurse = (next: Value): Value => {
      if (!statement.isRecursive) throw new ValueFault('"loop" can be called in recursive loops only');
      const inner = new Output(this.#limits.maxLength);
      this.#loop(statement, next, scope, inner, depth + 1);
      return new SafeText(inner.text);
    };
    const cursor = { index: 0 };
    const loop = loopValue(items, cursor, depth, recurse);
    for (const [index, item] of items.entries()) {
      cursor.index = index;
      const inner = new VariableScope(scope);
      inner.set('loop', loop);
      this.#assign(statement.target, item, inner);
      if (this.run(statement.body, inner, output) === 'break') break;
    }
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    switch (target.kind) {
      case 'name':
        scope.set(target.name, value);
        return;
      case 'attribute': {
        const holder = scope.get(target.name);
        if (!(holder instanceof Namespace))
          throw new ValueFault('cannot assign attribute on non-namespace object');
        holder.attributes.set(target.attribute, value);
        return;
      }
      case 'tuple': {
        const items = itemsOf(value);
        if (items.length !== target.items.length)
          throw new ValueFault(`${target.items.length} names for ${items.length} values`);
        for (const [index, each] of target.items.entries()) this.#assign(each, items[index]!, scope);
        return;
      }
    }
    target satisfies never;
  }

  #macro(macro: Macro, scope: Scope): Callable {
    const call = (positional: readonly Value[], named: NamedArguments): Value => {
      if (++this.#callDepth > MAX_CALL_DEPTH) throw new ValueFault('macros call each other too deep');
      const inner = new VariableScope(scope);
      this.#bind(macro, positional, named, inner);
      const output = new Output(this.#limits.maxLength);
      this.run(macro.body, inner, output);
      this.#callDepth -= 1;
      return output.text;
    };
    return new Callable(macro.name, call, new Map([['name', () => macro.name]]));
  }

  #bind(macro: Macro, positional: readonly Value[], named: NamedArguments, scope: Scope): void {
    const { parameters } = macro;
    for (const [index, { name, initial }] of parameters.entries()) {
      const given = index < positional.length ? positional[index] : named.get(name);
      if (given !== undefined) scope.set(name, given);
      else if (initial !== undefined) scope.set(name, this.#evaluate(initial, scope));
      else scope.set(name, new Undefined(`parameter '${name}' was not provided`));
    }
    const surplus = [...named].filter(
      ([name]) => name !== 'caller' && !parameters.some((each) => each.name === name),
    );
    const caller = named.get('caller');
    if (!parameters.some(({ name }) => name === 'caller'))
      scope.set('caller', caller ?? new Undefined('No caller defined'));
    if (macro.usesVarargs) scope.set('varargs', new Tuple(positional.slice(parameters.length)));
    else if (positional.length > parameters.length)
      throw new ValueFault(`macro '${macro.name}' takes not more than ${parameters.length} argument(s)`);
    if (macro.usesKwargs) scope.set('kwargs', new Map<Value, Value>(surplus));
    else if (surplus.length > 0)
      throw new ValueFault(`macro '${macro.name}' takes no keyword argument '${surplus[0]![0]}'`);
  }
}

function loopValue(
  items: readonly Value[],
  cursor: { index: number },
  depth: number,
  recurse: (next: Value) => Value,
): Callable {
  let previous: readonly Value[] | undefined;
  const itemAt = (index: number, missing: string): Value => {
    const item = items[index];
    return item === undefined ? new Undefined(missing) : item;
  };
  const attributes = new Map<string, () => Value>([
    ['index', () => cursor.index + 1],
    ['index0', () => cursor.index],
    ['revindex', () => items.length - cursor.index],
    ['revindex0', () => items.length - cursor.index - 1],
    ['first', () => cursor.index === 0],
    ['last', () => cursor.index === items.length - 1],
    ['length', () => items.length],
    ['depth', () => depth + 1],
    ['depth0', () => depth],
    ['previtem', () => itemAt(cursor.index - 1, 'there is no previous item')],
    ['nextitem', () => itemAt(cursor.index + 1, 'there is no next item')],
    [
      'cycle',
      () =>
        new Callable('cycle', (positional) => {
          if (positional.length === 0) throw new ValueFault('no items for cycling given');
          return positional[cursor.index % positional.length]!;
        }),
    ],
    [
      'changed',
      () =>
        new Callable('changed', (positional) => {
          const before = previous;
          previous = positional;
          return before === undefined || !isEqual([...before], [...positional]);
        }),
    ],
  ]);
  return new Callable('loop', ([next]) => recurse(next ?? []), attributes);
}
