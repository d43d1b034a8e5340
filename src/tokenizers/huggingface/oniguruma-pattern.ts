/** Oniguruma patterns, which Hugging Face uses, as JavaScript's. */
import { InputError, messageOf } from '../../errors/index.js';

/** Classes as Oniguruma reads them; JavaScript's own differ (its \s has U+FEFF and lacks U+0085, its \w is ASCII). */
const SHORTHANDS: ReadonlyMap<string, string> = new Map([
  ['s', '\\p{White_Space}'],
  ['d', '\\p{Nd}'],
  ['w', '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}'],
  ['h', '0-9a-fA-F'],
]);
const CONTROLS = 'ntrfv0';
const GROUPS = ['(?:', '(?=', '(?!', '(?<=', '(?<!'];

/**
 * A JavaScript RegExp (flags g and u) for an Oniguruma pattern of a tokenizer.json.
 * Possessive quantifiers and atomic groups become a look-ahead with a back-reference; `(?i:…)` spells out both
 * cases. Throws InputError for constructs outside this subset, naming `source`.
 */
export function compileOniguruma(pattern: string, source: string): RegExp {
  try {
    return new RegExp(new Translator(pattern, source).translate(), 'gu');
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(
      `${source}: the pattern ${JSON.stringify(pattern)} is not usable: ${messageOf(error)}.`,
    );
  }
}

class Translator {
  readonly #pattern: string;
  readonly #source: string;
  #at = 0;
  #captures = 0;

  constructor(pattern: string, source: string) {
    this.#pattern = pattern;
    this.#source = source;
  }

  translate(): string {
    const out = this.#alternatives(false, 0);
    if (this.#at < this.#pattern.length) this.#fail('an unmatched )');
    return out;
  }

  #fail(what: string): never {
    throw new InputError(
      `${this.#source}: ${what} at offset ${this.#at} of the pattern ${JSON.stringify(this.#pattern)} is not supported.`,
    );
  }

  #alternatives(ignoreCase: boolean, depth: number): string {
    if (depth > 100) this.#fail('nesting deeper than 100 groups');
    let out = '';
    while (this.#at < this.#pattern.length && this.#pattern[this.#at] !== ')') {
      if (this.#pattern[this.#at] === '|') {
        out += '|';
        this.#at += 1;
      } else out += this.#quantified(ignoreCase, depth);
    }
    return out;
  }

  #quantified(ignoreCase: boolean, depth: number): string {
    const atom = this.#atom(ignoreCase, depth);
    const quantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})/.exec(this.#pattern.slice(this.#at))?.[0];
    if (quantifier === undefined) return atom;
    this.#at += quantifier.length;
    const repeated = atom + quantifier.replace('{,', '{0,');
    const suffix = this.#pattern[this.#at];
    if (suffix === '?') {
      this.#at += 1;
      return `${repeated}?`;
    }
    if (suffix !== '+') return repeated;
    if (quantifier.startsWith('{')) this.#fail('a + after an interval');
    this.#at += 1;
    return this.#atomic(repeated);
  }

  /** Matches once and never gives back: what a look-ahead has matched is not tried again. */
  #atomic(inner: string): string {
    this.#captures += 1;
    return `(?:(?=(?<a${this.#captures}>${inner}))\\k<a${this.#captures}>)`;
  }

  #atom(ignoreCase: boolean, depth: number): string {
    const character = this.#take();
    if (character === '(') return this.#group(ignoreCase, depth);
    if (character === '[') return this.#characterClass(ignoreCase);
    if (character === '.') return '[^\\n]';
    if (character === '^') return '(?<![^\\n])';
    if (character === '$') return '(?![^\\n])';
    if (character === '\\') {
      const next = this.#pattern[this.#at];
      if (next === 'A' || next === 'z') {
        this.#at += 1;
        return next === 'A' ? '(?<![^])' : '(?![^])';
      }
      return this.#escape(ignoreCase, false);
    }
    if (character === '*' || character === '+' || character === '?')
      this.#fail('a quantifier without an operand');
    return literal(character, ignoreCase);
  }

  #group(ignoreCase: boolean, depth: number): string {
    this.#at -= 1;
    const rest = this.#pattern.slice(this.#at);
    const flags = /^\(\?(i?)(?:-([a-z]*))?:/.exec(rest);
    let open = '(?:';
    let caseless = ignoreCase;
    let isAtomic = false;
    if (rest.startsWith('(?>')) {
      isAtomic = true;
      this.#at += 3;
    } else if (flags) {
      caseless = flags[1] === 'i' || (ignoreCase && !flags[2]?.includes('i'));
      this.#at += flags[0].length;
    } else if (rest.startsWith('(?')) {
      open = GROUPS.find((group) => rest.startsWith(group)) ?? this.#fail(`the group ${rest.slice(0, 4)}`);
      this.#at += open.length;
    } else this.#at += 1;
    const inner = this.#alternatives(caseless, depth + 1);
    if (this.#pattern[this.#at] !== ')') this.#fail('a group without its end');
    this.#at += 1;
    return isAtomic ? this.#atomic(inner) : `${open}${inner})`;
  }

  #characterClass(ignoreCase: boolean): string {
    let out = '[';
    if (this.#pattern[this.#at] === '^') {
      out += '^';
      this.#at += 1;
    }
    for (let first = true; ; first = false) {
      if (this.#at >= this.#pattern.length) this.#fail('a class without its end');
      if (this.#pattern.startsWith('&&', this.#at)) this.#fail('a class intersection');
      const character = this.#take();
      if (character === ']' && !first) return `${out}]`;
      if (character === '[') this.#fail('a class within a class');
      if (character === '\\') out += this.#escape(ignoreCase, true);
      else if (character === '-') out += this.#isRange(first) ? '-' : '\\-';
      else out += classLiteral(character, ignoreCase);
    }
  }

  /** Whether the - just read stands between two ends. */
  #isRange(first: boolean): boolean {
    return !first && this.#pattern[this.#at] !== ']' && this.#pattern[this.#at - 2] !== '^';
  }

  /** What follows a backslash. */
  #escape(ignoreCase: boolean, inClass: boolean): string {
    const character = this.#take();
    const shorthand = SHORTHANDS.get(character.toLowerCase());
    if (shorthand !== undefined) {
      if (character === character.toLowerCase()) return inClass ? shorthand : `[${shorthand}]`;
      if (!inClass) return `[^${shorthand}]`;
      if (shorthand.startsWith('\\p') && shorthand.lastIndexOf('\\') === 0)
        return shorthand.replace('\\p', '\\P');
      this.#fail(`\\${character} within a class`);
    }
    if (character === 'p' || character === 'P') {
      const name = /^\{(\^?)([A-Za-z0-9_=]+)\}/.exec(this.#pattern.slice(this.#at));
      if (!name) this.#fail(`\\${character} without a {name}`);
      this.#at += name[0].length;
      const negated = (character === 'P') !== (name[1] === '^');
      return `\\${negated ? 'P' : 'p'}{${name[2]}}`;
    }
    const code = /^(?:x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))/.exec(
      character + this.#pattern.slice(this.#at),
    );
    if (code) {
      this.#at += code[0].length - 1;
      return `\\u{${code[1] ?? code[2] ?? code[3]}}`;
    }
    if (CONTROLS.includes(character)) return `\\${character}`;
    if (/[A-Za-z0-9]/.test(character)) this.#fail(`the escape \\${character}`);
    return inClass ? classLiteral(character, ignoreCase) : literal(character, ignoreCase);
  }

  #take(): string {
    const codePoint = this.#pattern.codePointAt(this.#at);
    if (codePoint === undefined) this.#fail('a backslash at the end');
    const character = String.fromCodePoint(codePoint);
    this.#at += character.length;
    return character;
  }
}

function literal(character: string, ignoreCase: boolean): string {
  if (ignoreCase && /\p{L}/u.test(character)) return `[${classLiteral(character, true)}]`;
  return character.replace(/[\^$\\.*+?()[\]{}|/]/, '\\$&');
}

function classLiteral(character: string, ignoreCase: boolean): string {
  if (ignoreCase && /\p{L}/u.test(character)) return caseVariants(character);
  return character.replace(/[\^$\\.*+?()[\]{}|/-]/, '\\$&');
}

/** All characters that differ from this one in case only: for s also the long s, for k the Kelvin sign. */
function caseVariants(character: string): string {
  const variants = new Set([character, character.toLowerCase(), character.toUpperCase()]);
  if (variants.has('s')) variants.add('\u017f');
  if (variants.has('k')) variants.add('\u212a');
  return [...variants].filter((variant) => [...variant].length === 1).join('');
}
