/** Commands of a shell text as words in parts, quoted or not. Comments and redirections are taken away; nothing is filled in. */
import { InputError } from '../../errors/index.js';

export interface WordPart {
  readonly text: string;
  /** single: variables stay. double: they are filled in, and blanks in them do not part words. */
  readonly quote: 'none' | 'single' | 'double';
}

export interface RawCommand {
  readonly words: readonly (readonly WordPart[])[];
  /** Line of its first word, from 1. */
  readonly line: number;
  /** A comment ended the command before it, whose line was to go on: the shell takes this for a command of its own. */
  readonly isCutOff: boolean;
}

/** @throws InputError naming source and line, for a quote or bracket that does not end */
export function tokenizeShell(text: string, source: string): RawCommand[] {
  return new Tokenizer(text, source).commands();
}

/** Of a redirection, the number before it aside: its target may follow after blanks. */
const REDIRECTION = /(?:&>>?|>>|>\||>&|<<<|<&|<>|>|<)[ \t]*/y;

class Tokenizer {
  readonly #text: string;
  readonly #source: string;
  readonly #commands: RawCommand[] = [];
  #at = 0;
  #words: WordPart[][] = [];
  #word: WordPart[] | undefined;
  #line = 1;
  #counted = { offset: 0, line: 1 };
  /** What follows a pipe belongs to another program. */
  #isPiped = false;
  /** The next word is the target of a redirection. */
  #isTarget = false;
  /** The line goes on: nothing but blanks since the backslash at the end of the one before. */
  #isContinued = false;
  #isCutOff = false;

  constructor(text: string, source: string) {
    this.#text = text;
    this.#source = source;
  }

  commands(): RawCommand[] {
    while (this.#at < this.#text.length) this.#step(this.#text.charAt(this.#at));
    this.#endCommand();
    return this.#commands;
  }

  #step(character: string): void {
    const next = this.#text.charAt(this.#at + 1);
    if (/[ \t\r]/.test(character)) {
      this.#endWord();
      this.#at += 1;
    } else if (character === '\\') this.#escape(next);
    else if (character === '#' && this.#word === undefined) this.#comment();
    else if (character === '\n') {
      this.#endCommand();
      this.#at += 1;
    } else {
      this.#isContinued = false;
      if (character === "'") this.#append(this.#until("'", this.#at + 1), 'single');
      else if (character === '"') this.#doubleQuoted();
      else if (character === '`') this.#substitution(this.#until('`', this.#at + 1));
      else if (/[$<>]/.test(character) && next === '(') this.#append(this.#bracketed(), 'none');
      else if (character === '>' || character === '<' || (character === '&' && next === '>'))
        this.#redirection();
      else if (character === '|' && next !== '|') this.#pipe();
      else if (/[;&|]/.test(character) || (/[()]/.test(character) && this.#isBracketOfCommands())) {
        this.#endCommand();
        this.#at += 1;
      } else {
        this.#append(character, 'none');
        this.#at += 1;
      }
    }
  }

  /** A line that goes on, with either line end; before anything else the character itself. */
  #escape(next: string): void {
    const length = next === '\r' && this.#text.charAt(this.#at + 2) === '\n' ? 3 : 2;
    if (length === 3 || next === '\n' || next === '') this.#isContinued = true;
    else this.#append(next, 'single');
    this.#at += length;
  }

  /** The newline after it ends the command, even where the line before was to go on. */
  #comment(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end;
    if (!this.#isContinued) return;
    this.#endCommand();
    this.#isCutOff = true;
  }

  #pipe(): void {
    this.#endWord();
    this.#isPiped = true;
    this.#at += this.#text.charAt(this.#at + 1) === '&' ? 2 : 1;
  }

  #isBracketOfCommands(): boolean {
    return this.#word === undefined || this.#text.charAt(this.#at) === ')';
  }

  /** Digits before it are the number of a stream, no word. */
  #redirection(): void {
    const [only, second] = this.#word ?? [];
    if (only !== undefined && second === undefined && only.quote === 'none' && /^\d+$/.test(only.text))
      this.#word = undefined;
    this.#endWord();
    REDIRECTION.lastIndex = this.#at;
    this.#at += REDIRECTION.exec(this.#text)?.[0].length ?? 1;
    this.#isTarget = true;
  }

  /** `# a comment` in such quotes stands for nothing; any other command is not run, its text stays. */
  #substitution(inner: string): void {
    if (!inner.trimStart().startsWith('#')) this.#append(`\`${inner}\``, 'single');
  }

  /** $(…), <(…) and >(…) as they are written. */
  #bracketed(): string {
    let depth = 0;
    for (let at = this.#at + 1; at < this.#text.length; at++) {
      const character = this.#text.charAt(at);
      if (character === '(') depth += 1;
      if (character !== ')') continue;
      depth -= 1;
      if (depth > 0) continue;
      const whole = this.#text.slice(this.#at, at + 1);
      this.#at = at + 1;
      return whole;
    }
    throw this.#unended('bracket (', this.#at);
  }

  #doubleQuoted(): void {
    const start = this.#at;
    this.#at += 1;
    this.#append('', 'double');
    while (this.#at < this.#text.length) {
      const character = this.#text.charAt(this.#at);
      const next = this.#text.charAt(this.#at + 1);
      if (character === '"') {
        this.#at += 1;
        return;
      }
      if (character === '$' && next === '(') this.#append(this.#bracketed(), 'single');
      else if (character === '\\' && next === '\n') this.#at += 2;
      else if (character === '\\' && /["\\$`]/.test(next)) {
        this.#append(next, 'single');
        this.#at += 2;
      } else {
        this.#append(character, 'double');
        this.#at += 1;
      }
    }
    throw this.#unended('quote "', start);
  }

  /** What stands up to the closing mark, which is passed. */
  #until(mark: string, from: number): string {
    const end = this.#text.indexOf(mark, from);
    if (end < 0) throw this.#unended(`quote ${mark}`, from);
    this.#at = end + 1;
    return this.#text.slice(from, end);
  }

  #unended(what: string, offset: number): InputError {
    return new InputError(`${this.#source}:${this.#lineAt(offset)}: the ${what} does not end.`);
  }

  /** Offsets come in order, but for faults: so lines are counted once. */
  #lineAt(offset: number): number {
    if (offset < this.#counted.offset) this.#counted = { offset: 0, line: 1 };
    const { offset: from, line } = this.#counted;
    const lines = this.#text.slice(from, offset).split('\n').length - 1;
    this.#counted = { offset, line: line + lines };
    return this.#counted.line;
  }

  #append(text: string, quote: WordPart['quote']): void {
    if (this.#word === undefined) {
      if (this.#words.length === 0) this.#line = this.#lineAt(this.#at);
      this.#word = [];
    }
    const last = this.#word.at(-1);
    if (last?.quote === quote) this.#word[this.#word.length - 1] = { text: last.text + text, quote };
    else this.#word.push({ text, quote });
  }

  #endWord(): void {
    if (this.#word === undefined) return;
    if (!this.#isPiped && !this.#isTarget) this.#words.push(this.#word);
    this.#isTarget = false;
    this.#word = undefined;
  }

  #endCommand(): void {
    this.#endWord();
    if (this.#words.length > 0) {
      this.#commands.push({ words: this.#words, line: this.#line, isCutOff: this.#isCutOff });
      this.#isCutOff = false;
    }
    this.#words = [];
    this.#isPiped = false;
    this.#isTarget = false;
    this.#isContinued = false;
  }
}
