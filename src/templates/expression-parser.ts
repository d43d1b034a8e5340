import { FILTER_NAMES } from './filters.js';
import type { Token } from './lexer.js';
import { unescaped } from './string-literal.js';
import type { BinaryOperator, CallArguments, CompareOperator, Expression } from './syntax.js';
import { TemplateError } from './template-error.js';
import { shown, TokenReader } from './token-reader.js';
import { TEST_NAMES } from './value-tests.js';

const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);
const MAX_DEPTH = 300;
const COMPARE: readonly CompareOperator[] = ['==', '!=', '<', '<=', '>', '>='];
const NO_ARGUMENTS: CallArguments = { positional: [], named: [], list: undefined, map: undefined };

/** Expressions as Jinja's grammar has them, from the loosest binding to the tightest. */
export class ExpressionParser extends TokenReader {
  #depth = 0;

  /** One expression, or several with commas between them. @param withCondition whether "… if …" may follow */
  tupleOrExpression(withCondition = true): Expression {
    const { line } = this;
    const read = () => (withCondition ? this.expression() : this.#or());
    const first = read();
    if (this.peek()?.text !== ',' || this.peek()?.kind !== 'operator') return first;
    const items = [first];
    while (this.takeOperator(',')) {
      if (['output-end', 'end'].includes(this.peek()?.kind ?? 'end') || this.peek()?.text === ')') break;
      items.push(read());
    }
    return { kind: 'tuple', items, line };
  }

  expression(): Expression {
    return this.#deeper(() => {
      const { line } = this;
      let value = this.#or();
      while (this.takeName('if')) {
        const test = this.#or();
        const otherwise = this.takeName('else') ? this.expression() : undefined;
        value = { kind: 'condition', test, value, otherwise, line };
      }
      return value;
    });
  }

  /** @param target undefined where the text of a block is filtered */
  filterChain(target: Expression | undefined, startsWithBar = false): Expression {
    if (startsWithBar) this.expectOperator('|');
    let value = this.#filter(target);
    while (this.takeOperator('|')) value = this.#filter(value);
    return value;
  }

  #or(): Expression {
    const { line } = this;
    let left = this.#and();
    while (this.takeName('or')) left = { kind: 'or', left, right: this.#and(), line };
    return left;
  }

  #and(): Expression {
    const { line } = this;
    let left = this.#not();
    while (this.takeName('and')) left = { kind: 'and', left, right: this.#not(), line };
    return left;
  }

  #not(): Expression {
    const { line } = this;
    if (this.takeName('not')) return this.#deeper(() => ({ kind: 'not', operand: this.#not(), line }));
    return this.#compare();
  }

  #compare(): Expression {
    const { line } = this;
    const first = this.#sum();
    const rest: { operator: CompareOperator; operand: Expression }[] = [];
    for (;;) {
      const operator = COMPARE.find((each) => this.takeOperator(each));
      if (operator !== undefined) rest.push({ operator, operand: this.#sum() });
      else if (this.takeName('in')) rest.push({ operator: 'in', operand: this.#sum() });
      else if (this.peek()?.text === 'not' && this.peek(1)?.text === 'in') {
        this.next();
        this.next();
        rest.push({ operator: 'not in', operand: this.#sum() });
      } else return rest.length === 0 ? first : { kind: 'compare', first, rest, line };
    }
  }

  #sum(): Expression {
    return this.#binary(['+', '-'], () => this.#concat());
  }

  #concat(): Expression {
    const { line } = this;
    const items = [this.#product()];
    while (this.takeOperator('~')) items.push(this.#product());
    return items.length === 1 ? items[0]! : { kind: 'concat', items, line };
  }

  #product(): Expression {
    return this.#binary(['*', '/', '//', '%'], () => this.#power());
  }

  #power(): Expression {
    return this.#binary(['**'], () => this.#unary(true));
  }

  #binary(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    const { line } = this;
    let left = operand();
    for (;;) {
      const operator = operators.find((each) => this.takeOperator(each));
      if (operator === undefined) return left;
      left = { kind: 'binary', operator, left, right: operand(), line };
    }
  }

  #unary(withFilter: boolean): Expression {
    const { line } = this;
    let value: Expression;
    if (this.takeOperator('-'))
      value = this.#deeper(() => ({ kind: 'negative', operand: this.#unary(false), line }));
    else if (this.takeOperator('+'))
      value = this.#deeper(() => ({ kind: 'positive', operand: this.#unary(false), line }));
    else value = this.#primary();
    value = this.#postfix(value);
    return withFilter ? this.#filtersAndTests(value) : value;
  }

  #primary(): Expression {
    const token = this.peek();
    const { line } = this;
    if (token === undefined) throw this.fault('an expression is missing');
    this.next();
    switch (token.kind) {
      case 'name': {
        const constant = CONSTANTS.get(token.text);
        return constant === undefined
          ? { kind: 'name', name: token.text, line }
          : { kind: 'constant', value: constant, line };
      }
      case 'string': {
        let value = unescaped(token.text);
        for (let more = this.peek(); more?.kind === 'string'; more = this.peek()) {
          value += unescaped(more.text);
          this.next();
        }
        return { kind: 'constant', value, line };
      }
      case 'integer':
        return { kind: 'constant', value: Number(token.text.replaceAll('_', '')), line };
      case 'float':
        return { kind: 'constant', value: Number(token.text.replaceAll('_', '')), isFloat: true, line };
      case 'operator':
        if (token.text === '(') return this.#parenthesised(line);
        if (token.text === '[') return { kind: 'list', items: this.#listItems(), line };
        if (token.text === '{') return { kind: 'dict', entries: this.#dictEntries(), line };
    }
    throw new TemplateError(`an expression is missing before ${shown(token)}`, token.line);
  }

  #parenthesised(line: number): Expression {
    if (this.takeOperator(')')) return { kind: 'tuple', items: [], line };
    const value = this.tupleOrExpression();
    this.expectOperator(')');
    return value;
  }

  #listItems(): Expression[] {
    const items: Expression[] = [];
    while (!this.takeOperator(']')) {
      if (items.length > 0) {
        this.expectOperator(',');
        if (this.takeOperator(']')) break;
      }
      items.push(this.expression());
    }
    return items;
  }

  #dictEntries(): [Expression, Expression][] {
    const entries: [Expression, Expression][] = [];
    while (!this.takeOperator('}')) {
      if (entries.length > 0) {
        this.expectOperator(',');
        if (this.takeOperator('}')) break;
      }
      const key = this.expression();
      this.expectOperator(':');
      entries.push([key, this.expression()]);
    }
    return entries;
  }

  #postfix(start: Expression): Expression {
    let value = start;
    for (;;) {
      const { line } = this;
      if (this.takeOperator('.')) {
        const token = this.peek();
        this.next();
        if (token?.kind === 'name') value = { kind: 'attribute', target: value, name: token.text, line };
        else if (token?.kind === 'integer') {
          const index: Expression = { kind: 'constant', value: Number(token.text), line };
          value = { kind: 'subscript', target: value, index, line };
        } else throw this.fault('a name is missing after "."');
      } else if (this.takeOperator('['))
        value = { kind: 'subscript', target: value, index: this.#index(line), line };
      else if (this.takeOperator('(')) value = { kind: 'call', target: value, call: this.#arguments(), line };
      else return value;
    }
  }

  #index(line: number): Expression {
    const items: Expression[] = [];
    let hasComma = false;
    while (!this.takeOperator(']')) {
      if (items.length > 0) {
        this.expectOperator(',');
        hasComma = true;
        if (this.takeOperator(']')) break;
      }
      items.push(this.#indexPart(line));
    }
    if (items.length === 0) throw this.fault('an index is missing');
    return hasComma ? { kind: 'tuple', items, line } : items[0]!;
  }

  #indexPart(line: number): Expression {
    const isEnd = () => [':', ']', ','].includes(this.peek()?.text ?? '') && this.peek()?.kind === 'operator';
    const start = isEnd() ? undefined : this.expression();
    if (!this.takeOperator(':')) {
      if (start === undefined) throw this.fault('an index is missing');
      return start;
    }
    const stop = isEnd() ? undefined : this.expression();
    const step = this.takeOperator(':') && !isEnd() ? this.expression() : undefined;
    return { kind: 'slice', start, stop, step, line };
  }

  #filtersAndTests(start: Expression): Expression {
    let value = start;
    for (;;) {
      const { line } = this;
      if (this.takeOperator('|')) value = this.#filter(value);
      else if (this.takeName('is')) value = this.#test(value);
      else if (this.takeOperator('(')) value = { kind: 'call', target: value, call: this.#arguments(), line };
      else return value;
    }
  }

  #filter(target: Expression | undefined): Expression {
    const { line } = this;
    const name = this.#dottedName('a filter');
    if (!FILTER_NAMES.has(name)) throw new TemplateError(`there is no filter named "${name}"`, line);
    return {
      kind: 'filter',
      target,
      name,
      call: this.takeOperator('(') ? this.#arguments() : NO_ARGUMENTS,
      line,
    };
  }

  #test(target: Expression): Expression {
    const { line } = this;
    const isNegated = this.takeName('not');
    const name = this.#dottedName('a test');
    if (!TEST_NAMES.has(name)) throw new TemplateError(`there is no test named "${name}"`, line);
    let call = NO_ARGUMENTS;
    const token = this.peek();
    if (this.takeOperator('(')) call = this.#arguments();
    else if (token !== undefined && this.#beginsOperand(token)) {
      const operand = this.#postfix(this.#primary());
      call = { ...NO_ARGUMENTS, positional: [operand] };
    }
    return { kind: 'test', target, name, isNegated, call, line };
  }

  /** "is divisibleby 3" has its argument without brackets. */
  #beginsOperand({ kind, text }: Token): boolean {
    if (kind === 'name') {
      if (text === 'is') throw this.fault('tests cannot be chained; use "and"');
      return !['else', 'or', 'and', 'if', 'in', 'not', 'recursive'].includes(text);
    }
    return ['string', 'integer', 'float'].includes(kind) || (kind === 'operator' && '[{'.includes(text));
  }

  #arguments(): CallArguments {
    const positional: Expression[] = [];
    const named: [string, Expression][] = [];
    let list: Expression | undefined;
    let map: Expression | undefined;
    let isFirst = true;
    while (!this.takeOperator(')')) {
      if (!isFirst) {
        this.expectOperator(',');
        if (this.takeOperator(')')) break;
      }
      isFirst = false;
      if (this.takeOperator('**')) map = this.expression();
      else if (this.takeOperator('*')) list = this.expression();
      else if (
        this.peek()?.kind === 'name' &&
        this.peek(1)?.text === '=' &&
        this.peek(1)?.kind === 'operator'
      ) {
        const name = this.name('a name');
        this.next();
        named.push([name, this.expression()]);
      } else if (named.length > 0 || map !== undefined)
        throw this.fault('an argument without a name after one with');
      else positional.push(this.expression());
    }
    return { positional, named, list, map };
  }

  #dottedName(what: string): string {
    let name = this.name(what);
    while (this.takeOperator('.')) name += `.${this.name(what)}`;
    return name;
  }

  #deeper<Result>(read: () => Result): Result {
    if (++this.#depth > MAX_DEPTH) throw this.fault('an expression is nested too deep');
    const result = read();
    this.#depth -= 1;
    return result;
  }
}
