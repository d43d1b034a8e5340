/** Templates to tokens, with white space trimmed as `trim_blocks` and `lstrip_blocks` have it. */
import { TemplateError } from './template-error.js';

export interface Token {
  readonly kind:
    | 'text'
    | 'begin'
    | 'end'
    | 'output-begin'
    | 'output-end'
    | 'name'
    | 'string'
    | 'integer'
    | 'float'
    | 'operator';
  readonly text: string;
  readonly line: number;
}

const OPERATORS = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}<>=.:|,;!]/y;
const NAME = /[\p{XID_Start}_][\p{XID_Continue}]*/uy;
const FLOAT = /\d(?:_?\d)*(?:\.\d(?:_?\d)*(?:[eE][+-]?\d(?:_?\d)*)?|[eE][+-]?\d(?:_?\d)*)/y;
const INTEGER = /0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|\d(?:_?\d)*/y;
const STRING = /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/y;
const SPACE = /\s+/y;
const OPENING = '([{';
const CLOSING = ')]}';
const RAW = /\{%([-+]?)\s*raw\s*(-?)%\}/y;
const END_RAW = /\{%([-+]?)\s*endraw\s*(?:(\+)%\}|(-)%\}\s*|%\}\n?)/g;
const END_RAW_UNTRIMMED = /\{%([-+]?)\s*endraw\s*(?:(\+)%\}|(-)%\}\s*|%\})/g;

/**
 * @param trims white space around blocks, and the newline at the end. Default true
 * @throws TemplateError with the line
 */
export function tokenize(source: string, trims = true): Token[] {
  const text = source.replace(/\r\n?/g, '\n');
  return new Lexer(trims ? text.replace(/\n$/, '') : text, trims).read();
}

class Lexer {
  readonly #source: string;
  readonly #trims: boolean;
  readonly #tokens: Token[] = [];
  #at = 0;
  #line = 1;
  /** Whether what was read last ended a line, so that white space here begins one. */
  #isLineStart = true;

  constructor(source: string, trims: boolean) {
    this.#source = source;
    this.#trims = trims;
  }

  read(): Token[] {
    while (this.#at < this.#source.length) {
      const opening = this.#source.slice(this.#at).search(/\{[{%#]/);
      if (opening < 0) {
        this.#push('text', this.#source.slice(this.#at));
        break;
      }
      this.#open(this.#at + opening);
    }
    return this.#tokens;
  }

  #open(at: number): void {
    const mark = this.#source[at + 1];
    const sign = this.#source[at + 2] ?? '';
    this.#text(this.#source.slice(this.#at, at), sign, mark !== '{');
    const isSigned = sign === '-' || sign === '+';
    RAW.lastIndex = at;
    const raw = mark === '%' ? RAW.exec(this.#source) : null;
    if (raw !== null) this.#raw(at, raw);
    else if (mark === '#') this.#comment(at);
    else {
      this.#push(mark === '%' ? 'begin' : 'output-begin', '');
      this.#at = at + (isSigned ? 3 : 2);
      this.#inside(mark === '%' ? 'end' : 'output-end', at);
    }
  }

  /** @param canStrip whether white space between the beginning of the line and the block goes away */
  #text(text: string, sign: string, canStrip: boolean): void {
    let kept = text;
    if (sign === '-') kept = text.trimEnd();
    else if (this.#trims && sign !== '+' && canStrip) {
      const lineStart = text.lastIndexOf('\n') + 1;
      if ((lineStart > 0 || this.#isLineStart) && /^\s+$/.test(text.slice(lineStart)))
        kept = text.slice(0, lineStart);
    }
    this.#push('text', kept);
    this.#countLines(text.slice(kept.length));
  }

  #comment(at: number): void {
    const close = this.#source.indexOf('#}', at + 2);
    if (close < 0) throw new TemplateError('a comment is not closed', this.#line);
    const sign = this.#source[close - 1] ?? '';
    this.#countLines(this.#source.slice(at, close));
    this.#at = close + 2;
    this.#trimAfter(close > at + 2 ? sign : '', true);
  }

  #raw(at: number, [opening, , sign]: RegExpExecArray): void {
    let from = at + opening.length;
    this.#countLines(opening);
    if (sign === '-') {
      const space = /^\s*/.exec(this.#source.slice(from))![0];
      this.#countLines(space);
      from += space.length;
    }
    const pattern = this.#trims ? END_RAW : END_RAW_UNTRIMMED;
    pattern.lastIndex = from;
    const end = pattern.exec(this.#source);
    if (end === null) throw new TemplateError('a raw block is not closed', this.#line);
    this.#isLineStart = this.#source[from - 1] === '\n';
    this.#text(this.#source.slice(from, end.index), end[1] ?? '', true);
    this.#countLines(end[0]);
    this.#at = end.index + end[0].length;
    this.#isLineStart = end[0].endsWith('\n');
  }

  /** The tokens of one block or output, up to its end. */
  #inside(endKind: 'end' | 'output-end', opened: number): void {
    const close = endKind === 'end' ? '%}' : '}}';
    const openLine = this.#line;
    const brackets: string[] = [];
    for (;;) {
      this.#skipSpace();
      const { [this.#at]: next } = this.#source;
      if (next === undefined)
        throw new TemplateError(`${endKind === 'end' ? 'a block' : 'an output'} is not closed`, openLine);
      if (brackets.length === 0) {
        const sign = '-+'.includes(next) ? next : '';
        if (this.#source.startsWith(close, this.#at + sign.length) && (endKind === 'end' || sign !== '+')) {
          this.#push(endKind, '');
          this.#at += sign.length + 2;
          this.#trimAfter(sign, endKind === 'end');
          return;
        }
      }
      this.#token(brackets, opened);
    }
  }

  #token(brackets: string[], opened: number): void {
    for (const [kind, pattern] of [
      ['float', FLOAT],
      ['integer', INTEGER],
      ['name', NAME],
      ['string', STRING],
      ['operator', OPERATORS],
    ] as const) {
      pattern.lastIndex = this.#at;
      const match = pattern.exec(this.#source);
      // After a point, as in "a.0.1", digits are an index.
      if (match === null || (kind === 'float' && this.#source[this.#at - 1] === '.')) continue;
      const [text] = match;
      if (kind === 'operator') {
        if (OPENING.includes(text)) brackets.push(CLOSING[OPENING.indexOf(text)]!);
        else if (CLOSING.includes(text) && brackets.pop() !== text)
          throw new TemplateError(`"${text}" closes nothing`, this.#line);
      }
      this.#tokens.push({ kind, text, line: this.#line });
      this.#countLines(text);
      this.#at += text.length;
      return;
    }
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at) ?? opened);
    throw new TemplateError(`unexpected ${JSON.stringify(character)}`, this.#line);
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#at;
    const space = SPACE.exec(this.#source)?.[0] ?? '';
    this.#countLines(space);
    this.#at += space.length;
  }

  /** After "-" all white space goes, after a block one newline. */
  #trimAfter(sign: string, isBlock: boolean): void {
    const rest = this.#source.slice(this.#at);
    const isTrimmed = this.#trims && isBlock && sign !== '+';
    const gone = sign === '-' ? /^\s*/.exec(rest)![0] : isTrimmed ? /^\n?/.exec(rest)![0] : '';
    this.#countLines(gone);
    this.#at += gone.length;
    this.#isLineStart = gone.endsWith('\n');
  }

  #push(kind: Token['kind'], text: string): void {
    if (kind !== 'text' || text !== '') this.#tokens.push({ kind, text, line: this.#line });
    this.#countLines(text);
  }

  #countLines(text: string): void {
    for (const character of text) if (character === '\n') this.#line += 1;
  }
}
