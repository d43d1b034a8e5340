/** Values as Python's repr() writes them: AGIEval's examples lie in its CSV in this form, lists come out of templates so. */
import { InputError } from '../../errors/index.js';

export type PythonValue =
  | string
  | number
  | boolean
  | null
  | readonly PythonValue[]
  | { readonly [key: string]: PythonValue };

/** @param source for the message @throws InputError for anything but strings, numbers, None, booleans, lists and dicts of them */
export function parsePythonLiteral(text: string, source: string): PythonValue {
  const reader = new LiteralReader(text, source);
  const value = reader.value();
  reader.end();
  return value;
}

const WORDS: Readonly<Record<string, null | boolean>> = { None: null, True: true, False: false };
const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

class LiteralReader {
  readonly #text: string;
  readonly #source: string;
  #at = 0;

  constructor(text: string, source: string) {
    this.#text = text;
    this.#source = source;
  }

  value(): PythonValue {
    this.#skipSpace();
    const head = this.#text[this.#at] ?? '';
    if (head === "'" || head === '"') return this.#string(head);
    if (head === '[' || head === '(') return this.#list(head === '[' ? ']' : ')');
    if (head === '{') return this.#dict();
    const word = /^[A-Za-z]+|^-?[0-9][0-9.eE+-]*/.exec(this.#text.slice(this.#at, this.#at + 40))?.[0] ?? '';
    this.#at += word.length;
    const known = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
    if (known !== undefined) return known;
    if (word === '' || Number.isNaN(Number(word))) return this.#fail('a value');
    return Number(word);
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail('the end');
  }

  #list(close: string): PythonValue[] {
    this.#at += 1;
    const items: PythonValue[] = [];
    while (!this.#takes(close)) {
      items.push(this.value());
      if (!this.#takes(',') && !this.#sees(close)) this.#fail(`"," or "${close}"`);
    }
    return items;
  }

  #dict(): Record<string, PythonValue> {
    this.#at += 1;
    const entries: [string, PythonValue][] = [];
    while (!this.#takes('}')) {
      const key = this.value();
      if (!this.#takes(':')) this.#fail('":"');
      entries.push([String(key), this.value()]);
      if (!this.#takes(',') && !this.#sees('}')) this.#fail('"," or "}"');
    }
    return Object.fromEntries(entries);
  }

  #string(quote: string): string {
    this.#at += 1;
    let text = '';
    for (;;) {
      const head = this.#text[this.#at];
      if (head === undefined) return this.#fail(`the closing ${quote}`);
      this.#at += 1;
      if (head === quote) return text;
      text += head === '\\' ? this.#escape() : head;
    }
  }

  #escape(): string {
    const head = this.#text[this.#at] ?? '';
    this.#at += 1;
    const digits = { x: 2, u: 4, U: 8 }[head];
    if (digits !== undefined) {
      const code = Number.parseInt(this.#text.slice(this.#at, this.#at + digits), 16);
      this.#at += digits;
      return String.fromCodePoint(code);
    }
    // What is no escape stays as it stands.
    return ESCAPES[head] ?? `\\${head}`;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #sees(mark: string): boolean {
    this.#skipSpace();
    return this.#text[this.#at] === mark;
  }

  #takes(mark: string): boolean {
    if (!this.#sees(mark)) return false;
    this.#at += 1;
    return true;
  }

  #fail(expected: string): never {
    throw new InputError(
      `${this.#source}: not a Python literal: expected ${expected} at character ${this.#at}, found ` +
        `${JSON.stringify(this.#text.slice(this.#at, this.#at + 20))}.`,
    );
  }
}
