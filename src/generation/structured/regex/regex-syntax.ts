/** Reads regular expressions of ECMAScript's form, as far as they are regular. */
import { InputError } from '../../../errors/index.js';
import {
  ALL_CODE_POINTS,
  type CodePointSet,
  codePointSet,
  codePointsOf,
  complement,
  difference,
  union,
} from './code-points.js';
import { isAssertion, type Regex } from './regex.js';
import { propertySet } from './unicode-property.js';

const MAX_PATTERN = 8192;
const MAX_DEPTH = 100;
const MAX_COUNT = 100_000;

const DIGITS = codePointsOf('0123456789');
export const WORD: CodePointSet = codePointSet([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);
const LINE_ENDS = codePointsOf('\n\r\u2028\u2029');
const SPACES = union(
  LINE_ENDS,
  codePointsOf('\t\v\f \u00a0\u1680\u202f\u205f\u3000\ufeff'),
  codePointSet([[0x2000, 0x200a]]),
);
const CONTROLS: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f', v: '\v' };

/**
 * @param place names the pattern in messages
 * @param checkTime throws once the work takes too long
 * @throws InputError for a fault or for what no automaton can do, with its position
 */
export function parseRegex(
  pattern: string,
  place: string,
  checkTime?: () => void,
  maxLength = MAX_PATTERN,
): Regex {
  if (pattern.length > maxLength) {
    throw new InputError(`${place} has ${pattern.length} characters; at most ${maxLength} are allowed.`);
  }
  return new RegexReader(pattern, place, checkTime).read();
}

class RegexReader {
  readonly #pattern: string;
  readonly #place: string;
  readonly #checkTime: () => void;
  #at = 0;

  constructor(pattern: string, place: string, checkTime: () => void = () => undefined) {
    this.#pattern = pattern;
    this.#place = place;
    this.#checkTime = checkTime;
  }

  read(): Regex {
    const regex = this.#alternatives(0);
    if (this.#at === this.#pattern.length) return regex;
    throw this.#fault('a ")" that closes nothing');
  }

  #alternatives(depth: number): Regex {
    if (depth > MAX_DEPTH) throw this.#fault(`groups more than ${MAX_DEPTH} deep`);
    const options = [this.#sequence(depth)];
    while (this.#take('|')) options.push(this.#sequence(depth));
    return options.length === 1 ? options[0]! : { kind: 'choice', options };
  }

  #sequence(depth: number): Regex {
    const items: Regex[] = [];
    for (let next = this.#peek(); next !== undefined && !'|)'.includes(next); next = this.#peek()) {
      const start = this.#at;
      const atom = this.#atom(depth);
      items.push(isAssertion(atom) ? this.#unrepeated(atom, start) : this.#quantified(atom));
    }
    return items.length === 1 ? items[0]! : { kind: 'sequence', items };
  }

  /** As with JavaScript's `u` flag, nothing that takes no character is repeated. */
  #unrepeated(atom: Regex, start: number): Regex {
    const end = this.#at;
    if (this.#counts() === undefined) return atom;
    throw this.#fault(`a quantifier after "${this.#pattern.slice(start, end)}"`, '', end);
  }

  #quantified(atom: Regex): Regex {
    const start = this.#at;
    const counts = this.#counts();
    if (counts === undefined) return atom;
    this.#take('?'); // lazy or not, the texts are the same
    const after = this.#peek();
    if (after === '+' || after === '*' || after === '?')
      throw this.#fault(`the quantifier "${after}" after another`);
    if (counts.min > counts.max) throw this.#fault('a count whose bounds are the wrong way round', '', start);
    if (counts.min > MAX_COUNT || (counts.max > MAX_COUNT && counts.max !== Number.POSITIVE_INFINITY)) {
      throw this.#fault(`a count above ${MAX_COUNT}`, '', start);
    }
    return { kind: 'repeat', body: atom, ...counts };
  }

  #counts(): { min: number; max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (this.#take('+')) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (this.#take('?')) return { min: 0, max: 1 };
    if (this.#peek() !== '{') return undefined;
    const match = /^\{(\d+)(,(\d*))?\}/.exec(this.#pattern.slice(this.#at));
    if (match === null) throw this.#fault('a "{" that begins no count', 'A brace itself is written \\{');
    this.#at += match[0].length;
    const min = Number(match[1]);
    if (match[2] === undefined) return { min, max: min };
    return { min, max: match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3]) };
  }

  #atom(depth: number): Regex {
    const start = this.#at;
    const character = this.#next();
    switch (character) {
      case '.':
        return { kind: 'set', set: difference(ALL_CODE_POINTS, LINE_ENDS) };
      case '[':
        return { kind: 'set', set: this.#class() };
      case '\\':
        return this.#boundary() ?? { kind: 'set', set: this.#escape(false) };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '(': {
        const looking = this.#groupOpening(start);
        const body = this.#alternatives(depth + 1);
        if (!this.#take(')')) throw this.#fault('a "(" that is not closed', '', start);
        return looking === undefined ? body : { kind: 'look-ahead', isNegated: looking === 'negated', body };
      }
      case '*':
      case '+':
      case '?':
        throw this.#fault(`the quantifier "${character}" with nothing before it`, '', start);
      case '{':
      case '}':
      case ']':
        throw this.#fault(`a bare "${character}"`, `Write \\${character}`, start);
      default:
        return { kind: 'set', set: this.#characterSet(character, start) };
    }
  }

  #boundary(): Regex | undefined {
    if (this.#take('b')) return { kind: 'boundary', isNegated: false };
    return this.#take('B') ? { kind: 'boundary', isNegated: true } : undefined;
  }

  /** Whether the group is a look-ahead. */
  #groupOpening(start: number): 'plain' | 'negated' | undefined {
    if (!this.#take('?')) return undefined;
    if (this.#take(':')) return undefined;
    if (this.#take('=')) return 'plain';
    if (this.#take('!')) return 'negated';
    const rest = this.#pattern.slice(this.#at);
    if (/^<[=!]/.test(rest)) throw this.#fault('a look-behind', '', start);
    const name = /^P?<[A-Za-z_]\w*>/.exec(rest);
    if (name === null)
      throw this.#fault(`the group "(?${rest.slice(0, 1)}"`, 'Groups are (…), (?:…) and (?<name>…)', start);
    this.#at += name[0].length;
    return undefined;
  }

  #class(): CodePointSet {
    const start = this.#at - 1;
    const negated = this.#take('^');
    const sets: CodePointSet[] = [];
    while (!this.#take(']')) {
      const from = this.#classMember(start);
      const isRange = this.#peek() === '-' && this.#pattern[this.#at + 1] !== ']';
      if (!isRange) {
        sets.push(from);
        continue;
      }
      const dash = this.#at++;
      const to = this.#classMember(start);
      const low = onlyMember(from);
      const high = onlyMember(to);
      if (low === undefined || high === undefined)
        throw this.#fault('a range of classes', 'Write \\- for a dash', dash);
      if (low > high) throw this.#fault('a range whose ends are the wrong way round', '', dash);
      sets.push(codePointSet([[low, high]]));
    }
    return negated ? complement(union(...sets)) : union(...sets);
  }

  #classMember(opening: number): CodePointSet {
    const start = this.#at;
    if (this.#peek() === undefined) throw this.#fault('a "[" that is not closed', '', opening);
    const character = this.#next();
    return character === '\\' ? this.#escape(true) : this.#characterSet(character, start);
  }

  /** After a backslash. */
  #escape(inClass: boolean): CodePointSet {
    const start = this.#at - 1;
    if (this.#peek() === undefined) throw this.#fault('a backslash at the end', '', start);
    const letter = this.#next();
    const control = CONTROLS[letter];
    if (control !== undefined) return codePointsOf(control);
    switch (letter) {
      case 'd':
        return DIGITS;
      case 'D':
        return complement(DIGITS);
      case 'w':
        return WORD;
      case 'W':
        return complement(WORD);
      case 's':
        return SPACES;
      case 'S':
        return complement(SPACES);
      case 'x':
      case 'u':
        return this.#codePoint(letter, start);
      case 'p':
      case 'P':
        return this.#property(letter, start);
      case 'b':
        if (inClass) return codePointsOf('\b');
        break;
      case 'k':
        throw this.#fault('a back-reference', '', start);
      case '0':
        if (!/\d/.test(this.#peek() ?? '')) return codePointsOf('\0');
        break;
      default:
        if (!/[A-Za-z0-9]/.test(letter)) return this.#characterSet(letter, start);
    }
    if (/\d/.test(letter) && !inClass) throw this.#fault('a back-reference', '', start);
    throw this.#fault(`the escape \\${letter}`, '', start);
  }

  /** \xHH, \uHHHH (two of them for a surrogate pair) and \u{H…}. */
  #codePoint(letter: 'x' | 'u', start: number): CodePointSet {
    const form =
      letter === 'x'
        ? /^([0-9a-f]{2})/i
        : /^(?:(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|([0-9a-f]{4})|\{([0-9a-f]{1,6})\})/i;
    const match = form.exec(this.#pattern.slice(this.#at));
    if (match === null) throw this.#fault(`an incomplete \\${letter}`, '', start);
    this.#at += match[0].length;
    if (match[2] !== undefined) {
      return codePointsOf(String.fromCharCode(Number.parseInt(match[1]!, 16), Number.parseInt(match[2], 16)));
    }
    const code = Number.parseInt((letter === 'x' ? match[1] : (match[3] ?? match[4]))!, 16);
    const set = code <= 0x10ffff ? codePointSet([[code, code]]) : [];
    if (set.length === 0) throw this.#fault(`\\${letter}${match[0]}, which is no character`, '', start);
    return set;
  }

  #property(letter: 'p' | 'P', start: number): CodePointSet {
    const match = /^\{[A-Za-z_0-9=]+\}/.exec(this.#pattern.slice(this.#at));
    const set = match === null ? undefined : propertySet(match[0], this.#checkTime);
    if (match === null || set === undefined) {
      throw this.#fault(`\\${letter}${match?.[0] ?? ''}, which is no property of Unicode`, '', start);
    }
    this.#at += match[0].length;
    return letter === 'p' ? set : complement(set);
  }

  #characterSet(character: string, start: number): CodePointSet {
    const set = codePointsOf(character);
    if (set.length === 0) throw this.#fault('half a surrogate pair', '', start);
    return set;
  }

  #peek(): string | undefined {
    return this.#pattern[this.#at];
  }

  /** The next character, which may be two code units. */
  #next(): string {
    const character = String.fromCodePoint(this.#pattern.codePointAt(this.#at)!);
    this.#at += character.length;
    return character;
  }

  #take(character: string): boolean {
    if (this.#pattern[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #fault(what: string, advice = '', at = this.#at): InputError {
    return new InputError(
      `${this.#place} has ${what} at character ${at + 1}, which is not supported.${advice === '' ? '' : ` ${advice}.`}`,
    );
  }
}

function onlyMember(set: CodePointSet): number | undefined {
  return set.length === 1 && set[0]![0] === set[0]![1] ? set[0]![0] : undefined;
}
