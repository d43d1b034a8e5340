/**
 * Formulas of answers as sympy's parse_latex reads them: numbers, single letters, sums, products, powers, fractions, roots,
 * the usual functions. What it does not know (lists, sets, intervals, relations, matrices) is unreadable.
 */

export type Expression =
  /** numerator / 10 ** decimals */
  | { readonly kind: 'number'; readonly digits: bigint; readonly decimals: number }
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'call'; readonly operation: Operation; readonly operands: readonly Expression[] };

export type Operation =
  | ('add' | 'negate' | 'multiply' | 'divide' | 'power' | 'root' | 'absolute' | 'factorial' | 'binomial')
  | ('floor' | 'ceiling' | 'log' | 'exp' | 'sin' | 'cos' | 'tan' | 'arcsin' | 'arccos' | 'arctan');

export class UnreadableFormula extends Error {}

/** @throws UnreadableFormula */
export function parseFormula(text: string): Expression {
  if (text.length > MOST_CHARACTERS) throw new UnreadableFormula();
  return new Parser(tokensOf(text)).whole();
}

const MOST_CHARACTERS = 1000;
const MOST_DEPTH = 100;
const TOKEN = /\s+|\\(?:[a-zA-Z]+|.)|[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|./gsu;
/** Marks of size and room alone. */
const SILENT = new Set([
  '\\left',
  '\\right',
  '\\,',
  '\\;',
  '\\:',
  '\\!',
  '\\quad',
  '\\qquad',
  '\\displaystyle',
]);

function tokensOf(text: string): string[] {
  return (text.match(TOKEN) ?? []).filter((token) => token.trim() !== '' && !SILENT.has(token));
}

const TIMES = new Set(['*', '\\cdot', '\\times']);
const OVER = new Set(['/', '\\div', ':']);
const FRACTIONS = new Set(['\\frac', '\\dfrac', '\\tfrac']);
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
const NAMED = new Map<string, Operation>([
  ['\\sin', 'sin'],
  ['\\cos', 'cos'],
  ['\\tan', 'tan'],
  ['\\arcsin', 'arcsin'],
  ['\\arccos', 'arccos'],
  ['\\arctan', 'arctan'],
  ['\\ln', 'log'],
  ['\\log', 'log'],
  ['\\exp', 'exp'],
]);
const GREEK =
  /^\\(?:alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega)$/;

class Parser {
  readonly #tokens: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  whole(): Expression {
    const found = this.#sum();
    if (this.#at < this.#tokens.length) throw new UnreadableFormula();
    return found;
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #take(): string {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }

  #expect(token: string): void {
    if (this.#take() !== token) throw new UnreadableFormula();
  }

  #sum(): Expression {
    this.#depth += 1;
    if (this.#depth > MOST_DEPTH) throw new UnreadableFormula();
    let found = this.#product();
    while (this.#peek() === '+' || this.#peek() === '-') {
      const isMinus = this.#take() === '-';
      const term = this.#product();
      found = call('add', found, isMinus ? call('negate', term) : term);
    }
    this.#depth -= 1;
    return found;
  }

  #product(): Expression {
    let found = this.#signed();
    while (TIMES.has(this.#peek()) || OVER.has(this.#peek())) {
      const operation = TIMES.has(this.#take()) ? 'multiply' : 'divide';
      found = call(operation, found, this.#signed());
    }
    return found;
  }

  #signed(): Expression {
    if (this.#peek() === '+' || this.#peek() === '-') {
      const isMinus = this.#take() === '-';
      const found = this.#signed();
      return isMinus ? call('negate', found) : found;
    }
    return this.#row(true);
  }

  /** Factors without a sign between them bind tighter than a slash: 1/2x is 1/(2x). */
  #row(takesFunctions: boolean): Expression {
    let found = this.#raised();
    while (this.#beginsFactor(takesFunctions)) found = call('multiply', found, this.#raised());
    return found;
  }

  #beginsFactor(takesFunctions: boolean): boolean {
    const token = this.#peek();
    if (NAMED.has(token)) return takesFunctions;
    return (
      /^[0-9A-Za-z({[]/.test(token) ||
      GREEK.test(token) ||
      FRACTIONS.has(token) ||
      ['\\sqrt', '\\binom', '\\lfloor', '\\lceil'].includes(token)
    );
  }

  #raised(): Expression {
    let found = this.#atom();
    for (;;) {
      if (this.#peek() === '!') {
        this.#take();
        found = call('factorial', found);
      } else if (this.#peek() === '^') {
        this.#take();
        found = call('power', found, this.#peek() === '{' ? this.#bracketed() : this.#atom());
      } else return found;
    }
  }

  #bracketed(): Expression {
    const close = CLOSING[this.#take()];
    if (close === undefined) throw new UnreadableFormula();
    const found = this.#sum();
    this.#expect(close);
    return found;
  }

  #atom(): Expression {
    const token = this.#peek();
    if (/^[0-9]/.test(token)) return numeral(this.#take());
    if (CLOSING[token] !== undefined) return this.#bracketed();
    if (/^[A-Za-z]$/.test(token) || GREEK.test(token)) return this.#symbol();
    const named = NAMED.get(token);
    if (named !== undefined) return this.#function(named);
    this.#take();
    if (FRACTIONS.has(token)) return call('divide', this.#argument(), this.#argument());
    switch (token) {
      case '\\binom':
        return call('binomial', this.#argument(), this.#argument());
      case '\\sqrt': {
        const degree = this.#peek() === '[' ? this.#bracketed() : integer(2n);
        return call('root', this.#argument(), degree);
      }
      case '|':
        return this.#until('|', 'absolute');
      case '\\lfloor':
        return this.#until('\\rfloor', 'floor');
      case '\\lceil':
        return this.#until('\\rceil', 'ceiling');
      default:
        throw new UnreadableFormula();
    }
  }

  #until(close: string, operation: Operation): Expression {
    const found = this.#sum();
    this.#expect(close);
    return call(operation, found);
  }

  /** Of a fraction or root: in braces, or one digit or letter. */
  #argument(): Expression {
    if (this.#peek() === '{') return this.#bracketed();
    const token = this.#peek();
    if (/^[0-9]$/.test(token)) return numeral(this.#take());
    if (/^[A-Za-z]$/.test(token)) return { kind: 'symbol', name: this.#take() };
    throw new UnreadableFormula();
  }

  #symbol(): Expression {
    const name = this.#take();
    if (this.#peek() !== '_') return { kind: 'symbol', name };
    this.#take();
    const index = this.#take();
    if (/^[0-9A-Za-z]$/.test(index)) return { kind: 'symbol', name: `${name}_${index}` };
    const inner = index === '{' ? this.#take() : '';
    if (!/^[0-9]+$|^[A-Za-z]$/.test(inner)) throw new UnreadableFormula();
    this.#expect('}');
    return { kind: 'symbol', name: `${name}_${inner}` };
  }

  #function(operation: Operation): Expression {
    const name = this.#take();
    let base: Expression | undefined;
    if (name === '\\log' && this.#peek() === '_') {
      this.#take();
      base = this.#argument();
    }
    let power: Expression | undefined;
    if (this.#peek() === '^') {
      this.#take();
      power = this.#argument();
      // An inverse function, and no power.
      if (power.kind === 'call') throw new UnreadableFormula();
    }
    const of = this.#peek() === '(' ? this.#bracketed() : this.#row(false);
    // A logarithm without a base is the natural one.
    const value =
      base === undefined ? call(operation, of) : call('divide', call('log', of), call('log', base));
    return power === undefined ? value : call('power', value, power);
  }
}

function call(operation: Operation, ...operands: readonly Expression[]): Expression {
  return { kind: 'call', operation, operands };
}

function integer(digits: bigint): Expression {
  return { kind: 'number', digits, decimals: 0 };
}

function numeral(token: string): Expression {
  const [whole = '', fraction = ''] = token.replaceAll(',', '').split('.');
  return { kind: 'number', digits: BigInt(whole + fraction), decimals: fraction.length };
}

export function symbolsOf(expression: Expression): ReadonlySet<string> {
  switch (expression.kind) {
    case 'number':
      return new Set();
    case 'symbol':
      return new Set([expression.name]);
    case 'call':
      return new Set(expression.operands.flatMap((operand) => [...symbolsOf(operand)]));
  }
}
