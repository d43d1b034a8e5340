import type { Token } from './lexer.js';
import { TemplateError } from './template-error.js';

/** A place in the tokens of a template, and what stands there. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get isDone(): boolean {
    return this.#at >= this.#tokens.length;
  }

  get line(): number {
    return (this.peek() ?? this.#tokens.at(-1))?.line ?? 1;
  }

  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#at + ahead];
  }

  next(): void {
    this.#at += 1;
  }

  fault(message: string): TemplateError {
    return new TemplateError(message, this.line);
  }

  name(what: string): string {
    const token = this.peek();
    if (token?.kind !== 'name') throw this.unexpected(what);
    this.next();
    return token.text;
  }

  takeName(name: string): boolean {
    return this.#take('name', name);
  }

  expectName(name: string): void {
    if (!this.takeName(name)) throw this.unexpected(`"${name}"`);
  }

  takeOperator(text: string): boolean {
    return this.#take('operator', text);
  }

  expectOperator(text: string): void {
    if (!this.takeOperator(text)) throw this.unexpected(`"${text}"`);
  }

  expectKind(kind: Token['kind']): void {
    if (this.peek()?.kind !== kind) throw this.unexpected(kind === 'output-end' ? '"}}"' : '"%}"');
    this.next();
  }

  unexpected(wanted: string): TemplateError {
    const token = this.peek();
    return this.fault(`expected ${wanted}, found ${token === undefined ? 'the end' : shown(token)}`);
  }

  #take(kind: Token['kind'], text: string): boolean {
    const token = this.peek();
    if (token?.kind !== kind || token.text !== text) return false;
    this.next();
    return true;
  }
}

export function shown({ kind, text }: Token): string {
  if (kind === 'end') return '"%}"';
  if (kind === 'output-end') return '"}}"';
  return kind === 'text' ? 'text' : `"${text}"`;
}
