import { ExpressionParser } from './expression-parser.js';
import { tokenize } from './lexer.js';
import type { Expression, Macro, Statement, Target } from './syntax.js';

/** @param trims as of `tokenize`. @throws TemplateError naming the line */
export function parseTemplate(source: string, trims = true): Statement[] {
  return new StatementParser(tokenize(source, trims)).template();
}

/** Blocks nested deeper are refused, so that no template exhausts the stack. */
const MAX_DEPTH = 200;

class StatementParser extends ExpressionParser {
  #depth = 0;
  #loops = 0;

  template(): Statement[] {
    const statements = this.#body([]);
    if (!this.isDone) throw this.fault(`unexpected "${this.peek()?.text}"`);
    return statements;
  }

  /** Up to one of these block names, which is left to be read. */
  #body(ends: readonly string[]): Statement[] {
    if (++this.#depth > MAX_DEPTH) throw this.fault('blocks are nested too deep');
    const statements: Statement[] = [];
    for (let token = this.peek(); token !== undefined; token = this.peek()) {
      const { line } = token;
      if (token.kind === 'text') {
        this.next();
        statements.push({ kind: 'text', text: token.text, line });
      } else if (token.kind === 'output-begin') {
        this.next();
        statements.push({ kind: 'output', value: this.tupleOrExpression(), line });
        this.expectKind('output-end');
      } else {
        const name = this.peek(1);
        if (name?.kind === 'name' && ends.includes(name.text)) {
          this.#depth -= 1;
          return statements;
        }
        this.next();
        statements.push(this.#statement(line));
      }
    }
    if (ends.length > 0) throw this.fault(`"${ends.at(-1)}" is missing`);
    this.#depth -= 1;
    return statements;
  }

  #statement(line: number): Statement {
    const name = this.name('a statement');
    switch (name) {
      case 'if':
        return this.#if(line);
      case 'for':
        return this.#for(line);
      case 'set':
        return this.#set(line);
      case 'macro':
        return {
          kind: 'macro',
          macro: this.#macro(this.name('the name of a macro'), line, 'endmacro'),
          line,
        };
      case 'call':
        return this.#call(line);
      case 'filter': {
        const filter = this.filterChain(undefined);
        return { kind: 'filter-block', filter, body: this.#block('endfilter'), line };
      }
      case 'with':
        return this.#with(line);
      case 'generation':
        return { kind: 'generation', body: this.#block('endgeneration'), line };
      case 'break':
      case 'continue':
        if (this.#loops === 0) throw this.fault(`"${name}" outside a loop`);
        this.expectKind('end');
        return { kind: name, line };
      default:
        throw this.fault(
          name.startsWith('end') || ['else', 'elif'].includes(name)
            ? `"${name}" ends nothing here`
            : `the statement "${name}" is not supported`,
        );
    }
  }

  /** The end of an opening block, what is in it, and its closing block. */
  #block(end: string): Statement[] {
    this.expectKind('end');
    const body = this.#body([end]);
    this.#close(end);
    return body;
  }

  #close(name: string): void {
    this.expectKind('begin');
    this.expectName(name);
    // A closing block may repeat the name of its macro.
    if (name === 'endmacro' && this.peek()?.kind === 'name') this.next();
    this.expectKind('end');
  }

  #if(line: number): Statement {
    const branches: { test: Expression; body: Statement[] }[] = [];
    let otherwise: Statement[] = [];
    let test: Expression | undefined = this.tupleOrExpression(false);
    for (;;) {
      this.expectKind('end');
      const body = this.#body(['elif', 'else', 'endif']);
      if (test === undefined) otherwise = body;
      else branches.push({ test, body });
      this.expectKind('begin');
      const word = this.name('a block');
      if (word === 'endif') break;
      if (test === undefined) throw this.fault(`"${word}" after "else"`);
      test = word === 'elif' ? this.tupleOrExpression(false) : undefined;
    }
    this.expectKind('end');
    return { kind: 'if', branches, otherwise, line };
  }

  #for(line: number): Statement {
    const target = this.#target(false);
    this.expectName('in');
    const items = this.tupleOrExpression(false);
    const filter = this.takeName('if') ? this.expression() : undefined;
    const isRecursive = this.takeName('recursive');
    this.expectKind('end');
    this.#loops += 1;
    const body = this.#body(['else', 'endfor']);
    this.#loops -= 1;
    this.expectKind('begin');
    let otherwise: Statement[] = [];
    if (this.takeName('else')) {
      this.expectKind('end');
      otherwise = this.#body(['endfor']);
      this.expectKind('begin');
    }
    this.expectName('endfor');
    this.expectKind('end');
    return { kind: 'for', target, items, filter, isRecursive, body, otherwise, line };
  }

  #set(line: number): Statement {
    const target = this.#target(true);
    if (this.takeOperator('=')) {
      const value = this.tupleOrExpression();
      this.expectKind('end');
      return { kind: 'set', target, value, line };
    }
    const filter = this.peek()?.text === '|' ? this.filterChain(undefined, true) : undefined;
    return { kind: 'set-block', target, filter, body: this.#block('endset'), line };
  }

  #call(line: number): Statement {
    const parameters = this.peek()?.text === '(' ? this.#parameters() : [];
    const value = this.expression();
    const body = this.#block('endcall');
    return { kind: 'call', value, caller: macroOf('caller', parameters, body, line), line };
  }

  #with(line: number): Statement {
    const bindings: [Target, Expression][] = [];
    while (this.peek()?.kind !== 'end') {
      if (bindings.length > 0) this.expectOperator(',');
      const target = this.#target(false);
      this.expectOperator('=');
      bindings.push([target, this.expression()]);
    }
    return { kind: 'with', bindings, body: this.#block('endwith'), line };
  }

  #macro(name: string, line: number, end: string): Macro {
    const parameters = this.#parameters();
    const loops = this.#loops;
    this.#loops = 0;
    const body = this.#block(end);
    this.#loops = loops;
    return macroOf(name, parameters, body, line);
  }

  #parameters(): { name: string; initial: Expression | undefined }[] {
    const parameters: { name: string; initial: Expression | undefined }[] = [];
    this.expectOperator('(');
    while (!this.takeOperator(')')) {
      if (parameters.length > 0) this.expectOperator(',');
      const name = this.name('a parameter');
      const initial = this.takeOperator('=') ? this.expression() : undefined;
      if (initial === undefined && parameters.at(-1)?.initial !== undefined)
        throw this.fault(`the parameter "${name}" has no default after one that has`);
      parameters.push({ name, initial });
    }
    return parameters;
  }

  #target(canBeAttribute: boolean): Target {
    const items: Target[] = [this.#oneTarget(canBeAttribute)];
    let isTuple = false;
    while (this.takeOperator(',')) {
      isTuple = true;
      if (this.peek()?.kind !== 'name' && this.peek()?.text !== '(') break;
      if (this.peek()?.text === 'in') break;
      items.push(this.#oneTarget(canBeAttribute));
    }
    return isTuple ? { kind: 'tuple', items } : items[0]!;
  }

  #oneTarget(canBeAttribute: boolean): Target {
    if (this.takeOperator('(')) {
      const target = this.#target(canBeAttribute);
      this.expectOperator(')');
      return target;
    }
    const line = this.line;
    const name = this.name('a name');
    if (['true', 'false', 'none', 'True', 'False', 'None'].includes(name))
      throw this.fault(`"${name}" cannot be assigned to`);
    if (canBeAttribute && this.takeOperator('.'))
      return { kind: 'attribute', name, attribute: this.name('an attribute'), line };
    return { kind: 'name', name };
  }
}

function macroOf(
  name: string,
  parameters: Macro['parameters'],
  body: readonly Statement[],
  line: number,
): Macro {
  const text = JSON.stringify(body);
  const uses = (variable: string) => text.includes(`"kind":"name","name":"${variable}"`);
  return { name, parameters, body, line, usesVarargs: uses('varargs'), usesKwargs: uses('kwargs') };
}
