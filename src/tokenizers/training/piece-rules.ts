/** Which characters may stand together in a SentencePiece piece. */
import { COMMON, INHERITED, scriptOf } from './unicode-script.js';

export interface PieceRuleOptions {
  /** Characters of a piece at most. */
  readonly maxPieceLength: number;
  /** Each digit is a piece of its own. */
  readonly splitDigits: boolean;
  /** Pieces keep to one script; Han, Hiragana and Katakana count as one. */
  readonly splitByUnicodeScript: boolean;
  /** With the rule before: whether digits end a piece of letters. */
  readonly splitByNumber: boolean;
}

const SPACE = 0x2581;
/** No character of the piece says anything about scripts. */
const NONE = -1;
/** Goes with every script. */
const ANY = -2;

/**
 * Which neighbours may become one piece, by SentencePiece's rules: not too long, spaces at the start only, digits and
 * scripts as the options say. Symbols are numbers; what a symbol begins and ends with is kept for each.
 */
export class PieceRules {
  readonly #options: PieceRuleOptions;
  readonly #lengths: number[] = [0];
  /** Script of the first and of the last character that has one. */
  readonly #firstScript: number[] = [NONE];
  readonly #lastScript: number[] = [NONE];
  readonly #hasSpace: boolean[] = [false];
  readonly #hasDigit: boolean[] = [false];

  /** @param codePoints of the symbols of one character, from symbol 1 on; the entry 0 is left out. */
  constructor(codePoints: readonly number[], options: PieceRuleOptions) {
    this.#options = options;
    for (const codePoint of codePoints.slice(1)) this.#addCharacter(codePoint);
  }

  #addCharacter(codePoint: number): void {
    const digit = (codePoint >= 0x30 && codePoint <= 0x39) || (codePoint >= 0xff10 && codePoint <= 0xff19);
    let script: number = NONE;
    if (codePoint !== SPACE) {
      const own = digit ? COMMON : scriptOf(codePoint);
      script = digit && !this.#options.splitByNumber ? ANY : own === INHERITED ? NONE : own;
    }
    this.#lengths.push(1);
    this.#firstScript.push(script);
    this.#lastScript.push(script);
    this.#hasSpace.push(codePoint === SPACE);
    this.#hasDigit.push(digit);
  }

  length(symbol: number): number {
    return this.#lengths[symbol]!;
  }

  /** Whether both symbols together are a valid piece; each of them must be one. */
  allows(left: number, right: number): boolean {
    const { maxPieceLength, splitDigits, splitByUnicodeScript } = this.#options;
    if (this.#lengths[left]! + this.#lengths[right]! > maxPieceLength || this.#hasSpace[right]) return false;
    if (splitDigits && (this.#hasDigit[left] || this.#hasDigit[right])) return false;
    if (!splitByUnicodeScript) return true;
    const before = this.#lastScript[left]!;
    const behind = this.#firstScript[right]!;
    return before < 0 || behind < 0 || before === behind;
  }

  /** Adds the symbol that two others make; symbols are numbered in this order. */
  add(left: number, right: number): void {
    const own = (first: number, second: number): number => (first === NONE ? second : first);
    this.#lengths.push(this.#lengths[left]! + this.#lengths[right]!);
    this.#firstScript.push(own(this.#firstScript[left]!, this.#firstScript[right]!));
    this.#lastScript.push(own(this.#lastScript[right]!, this.#lastScript[left]!));
    this.#hasSpace.push(this.#hasSpace[left]! || this.#hasSpace[right]!);
    this.#hasDigit.push(this.#hasDigit[left]! || this.#hasDigit[right]!);
  }

  /** Whether a run of symbols of one character is a valid piece. */
  allowsRun(symbols: Int32Array, start: number, end: number): boolean {
    const { maxPieceLength, splitDigits, splitByUnicodeScript } = this.#options;
    if (end - start > maxPieceLength) return false;
    let script: number = ANY;
    for (let at = start; at < end; at++) {
      const symbol = symbols[at]!;
      if (symbol === 0 || (at > start && this.#hasSpace[symbol])) return false;
      if (splitDigits && this.#hasDigit[symbol] && end - start > 1) return false;
      const own = this.#firstScript[symbol]!;
      if (own === NONE) continue;
      if (splitByUnicodeScript && own >= 0 && script >= 0 && own !== script) return false;
      script = own;
    }
    return true;
  }
}
