/**
 * Regular expressions as Python's `re` reads them, for graders that were written in Python. Most characters mean the same in
 * both; what differs is translated (classes know all of Unicode, the dot stops at \n alone, `$` stands before a last \n too),
 * and what JavaScript cannot do is refused by name.
 */
import { InputError } from '../../errors/index.js';
import { PYTHON_SPACE, strip } from './python-text.js';

const SPACE = PYTHON_SPACE.slice(1, -1);
const WORD = '\\p{L}\\p{N}_';
const DIGIT = '\\p{Nd}';
const NEWLINE = '\\n';
/** Characters that JavaScript wants escaped outside of a class, and within. */
const SYNTAX = /[\^$\\.*+?()[\]{}|/]/;
const CLASS_SYNTAX = /[\^\\\]\-[]/;
const CONTROLS: Readonly<Record<string, string>> = {
  a: '\\x07',
  f: '\\f',
  n: '\\n',
  r: '\\r',
  t: '\\t',
  v: '\\v',
};

export interface PythonPattern {
  readonly source: string;
  /** re.findall: the whole match, or its one group, or its groups; "" for a group that took no part. */
  findAll(text: string): readonly (string | readonly string[])[];
  /** re.sub with a text that stands for itself. */
  replaceAll(text: string, replacement: string): string;
  /** re.search: the first match with its groups. */
  search(text: string): RegExpExecArray | null;
}

/** @throws InputError for what is no pattern, or needs what JavaScript has not */
export function pythonPattern(source: string): PythonPattern {
  const { body, flags } = new Translator(source).translate();
  let expression: RegExp;
  try {
    expression = new RegExp(body, `gu${flags}`);
  } catch (error) {
    throw fault(source, error instanceof Error ? error.message.replace(/^.*\/: /s, '') : 'not a pattern');
  }
  return {
    source,
    findAll: (text) =>
      [...text.matchAll(expression)].map(([whole, ...groups]) => {
        const texts = groups.map((group) => group ?? '');
        return texts.length === 0 ? whole : texts.length === 1 ? (texts[0] ?? '') : texts;
      }),
    replaceAll: (text, replacement) => text.replace(expression, () => replacement),
    search: (text) => {
      expression.lastIndex = 0;
      return expression.exec(text);
    },
  };
}

/** Of what findall gave: the place counts from the end where it is negative; of several groups the first that is not empty. */
export function selectMatch(
  found: readonly (string | readonly string[])[],
  place: number,
): string | undefined {
  const match = found.at(place);
  const text = typeof match === 'string' ? match : match?.find((group) => group !== '');
  return text === undefined ? undefined : strip(text);
}

function fault(source: string, problem: string): InputError {
  return new InputError(`the pattern ${JSON.stringify(source)}: ${problem}`);
}

class Translator {
  readonly #source: string;
  #at = 0;
  #flags = { ignoresCase: false, isMultiline: false, dotTakesAll: false, isVerbose: false, isAscii: false };

  constructor(source: string) {
    this.#source = source;
  }

  translate(): { readonly body: string; readonly flags: string } {
    const global = /^\(\?([aiLmsux]+)\)/.exec(this.#source);
    if (global !== null) {
      this.#at = global[0].length;
      for (const flag of global[1] ?? '') this.#setFlag(flag);
    }
    let body = '';
    while (this.#at < this.#source.length) body += this.#next();
    return { body, flags: this.#flags.ignoresCase ? 'i' : '' };
  }

  #setFlag(flag: string): void {
    if (flag === 'i') this.#flags.ignoresCase = true;
    else if (flag === 'm') this.#flags.isMultiline = true;
    else if (flag === 's') this.#flags.dotTakesAll = true;
    else if (flag === 'x') this.#flags.isVerbose = true;
    else if (flag === 'a') this.#flags.isAscii = true;
    else if (flag === 'L') throw fault(this.#source, 'the flag L is for bytes');
  }

  #take(count = 1): string {
    const taken = this.#source.slice(this.#at, this.#at + count);
    this.#at += count;
    return taken;
  }

  #next(): string {
    const head = String.fromCodePoint(this.#source.codePointAt(this.#at) ?? 0);
    const { isVerbose, isMultiline, dotTakesAll } = this.#flags;
    if (isVerbose && /\s/.test(head)) return this.#nothing(head.length);
    if (isVerbose && head === '#')
      return this.#nothing(/^[^\n]*/.exec(this.#source.slice(this.#at))?.[0].length ?? 1);
    switch (head) {
      case '\\':
        return this.#escape(false);
      case '[':
        return this.#class();
      case '(':
        return this.#group();
      case '.':
        this.#take();
        return dotTakesAll ? '[^]' : `[^${NEWLINE}]`;
      case '^':
        this.#take();
        return isMultiline ? '(?<![^\\n])' : '(?<![^])';
      case '$':
        this.#take();
        return isMultiline ? '(?![^\\n])' : '(?!\\n[^]|[^\\n])';
      case '{':
        return this.#brace();
      case '*':
      case '+':
      case '?':
      case '}':
        return this.#quantifier(head);
      default:
        this.#take(head.length);
        return head === ']' || head === '/' ? `\\${head}` : head;
    }
  }

  #nothing(count: number): string {
    this.#take(count);
    return '';
  }

  /** A brace that counts nothing stands for itself. */
  #brace(): string {
    const counted = /^\{(\d*),(\d*)\}|^\{(\d+)\}/.exec(this.#source.slice(this.#at));
    if (counted === null || counted[0] === '{,}') {
      this.#take();
      return '\\{';
    }
    const [, least, most, exactly] = counted;
    this.#take(counted[0].length);
    const text = exactly === undefined ? `{${least === '' ? '0' : least},${most}}` : `{${exactly}}`;
    return text + this.#afterQuantifier();
  }

  #quantifier(head: string): string {
    this.#take();
    return head === '}' ? '\\}' : head + this.#afterQuantifier();
  }

  #afterQuantifier(): string {
    const next = this.#source[this.#at];
    if (next === '+') throw fault(this.#source, 'possessive quantifiers ("*+") are not supported');
    return next === '?' ? this.#take() : '';
  }

  #group(): string {
    const rest = this.#source.slice(this.#at);
    const comment = /^\(\?#[^)]*\)/.exec(rest)?.[0];
    if (comment !== undefined) return this.#nothing(comment.length);
    const named = /^\(\?P<([A-Za-z_]\w*)>/.exec(rest);
    if (named !== null) {
      this.#take(named[0].length);
      return `(?<${named[1]}>`;
    }
    const reference = /^\(\?P=([A-Za-z_]\w*)\)/.exec(rest);
    if (reference !== null) {
      this.#take(reference[0].length);
      return `\\k<${reference[1]}>`;
    }
    const known = /^\(\?(?::|=|!|<=|<!)/.exec(rest)?.[0];
    if (known !== undefined) return this.#take(known.length);
    if (rest.startsWith('(?'))
      throw fault(this.#source, `${JSON.stringify(rest.slice(0, 4))} is not supported inside a pattern`);
    return this.#take();
  }

  #class(): string {
    let text = this.#take();
    if (this.#source[this.#at] === '^') text += this.#take();
    // A bracket in the first place stands for itself.
    if (this.#source[this.#at] === ']') text += `\\${this.#take()}`;
    for (;;) {
      const head = this.#source.codePointAt(this.#at);
      if (head === undefined) throw fault(this.#source, 'a class is not closed');
      const character = String.fromCodePoint(head);
      if (character === ']') return text + this.#take();
      if (character === '\\') text += this.#escape(true);
      else {
        this.#take(character.length);
        text +=
          character === '-'
            ? this.#hyphen(text)
            : CLASS_SYNTAX.test(character)
              ? `\\${character}`
              : character;
      }
    }
  }

  /** Between two single characters it makes a range; beside a class or the border it stands for itself. */
  #hyphen(before: string): string {
    const next = this.#source[this.#at];
    const isAfterClass = /\\[wdsp](?:\{[^}]*\})?$|_$|\\u3000$/.test(before) && !/[^\\]_$/.test(before);
    const isAtBorder = next === ']' || /\[\^?$/.test(before);
    return isAtBorder || isAfterClass || /^\\[wdsWDS]/.test(this.#source.slice(this.#at)) ? '\\-' : '-';
  }

  #escape(isInClass: boolean): string {
    const [, head = ''] = this.#source.slice(this.#at, this.#at + 2);
    if (head === '') throw fault(this.#source, 'it ends with a backslash');
    const code = /^\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})/.exec(
      this.#source.slice(this.#at),
    )?.[0];
    if (code !== undefined) {
      this.#take(code.length);
      return `\\u{${code.slice(2).replace(/^0+(?=.)/, '')}}`;
    }
    const reference = /^\\([1-9]\d?)/.exec(this.#source.slice(this.#at));
    if (reference !== null && !isInClass) {
      this.#take(reference[0].length);
      return `(?:\\${reference[1]})`;
    }
    this.#take(2);
    const ofClass = this.#classEscape(head, isInClass);
    if (ofClass !== undefined) return ofClass;
    if (head === '0') return '\\0';
    const control = CONTROLS[head];
    if (control !== undefined) return control;
    if (head === 'b' && isInClass) return '\\x08';
    if (/[A-Za-z]/.test(head)) return this.#position(head);
    return (isInClass ? CLASS_SYNTAX : SYNTAX).test(head) ? `\\${head}` : head;
  }

  #classEscape(head: string, isInClass: boolean): string | undefined {
    const { isAscii } = this.#flags;
    const inside = {
      d: isAscii ? '0-9' : DIGIT,
      w: isAscii ? 'A-Za-z0-9_' : WORD,
      s: isAscii ? ' \\t\\n\\r\\f\\v' : SPACE,
    }[head.toLowerCase()];
    if (inside === undefined) return undefined;
    const isNegated = head !== head.toLowerCase();
    if (!isInClass) return `[${isNegated ? '^' : ''}${inside}]`;
    if (!isNegated) return inside;
    if (head === 'D' && !isAscii) return '\\P{Nd}';
    if (head === 'S') return '\\S';
    throw fault(this.#source, `\\${head} inside a class is not supported`);
  }

  #position(head: string): string {
    const word = this.#flags.isAscii ? '[A-Za-z0-9_]' : `[${WORD}]`;
    const border = `(?<=${word})(?!${word})|(?<!${word})(?=${word})`;
    switch (head) {
      case 'A':
        return '(?<![^])';
      case 'Z':
        return '(?![^])';
      case 'b':
        return `(?:${border})`;
      case 'B':
        return `(?!${border})`;
      default:
        throw fault(this.#source, `there is no escape \\${head}`);
    }
  }
}
