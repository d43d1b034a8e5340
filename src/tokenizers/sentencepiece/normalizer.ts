/** SentencePiece's normalisation of a text. */
import type { Trie } from '../trie.js';
import { Charsmap } from './charsmap.js';
import type { SentencePieceModel } from './model-file.js';

/** U+2581, which stands for a space within pieces. */
export const SPACE_MARK = '\u2581';

/** Text as the model sees it: rules applied, spaces trimmed, marked and prefixed as the model's file says. */
export class Normalizer {
  readonly #model: SentencePieceModel;
  readonly #charsmap: Charsmap | undefined;
  readonly #userDefined: Trie;
  readonly #space: string;

  /** @param userDefined symbols that the rules leave alone. */
  constructor(model: SentencePieceModel, userDefined: Trie, source: string) {
    this.#model = model;
    this.#userDefined = userDefined;
    this.#charsmap = model.charsmap.length > 0 ? new Charsmap(model.charsmap, source) : undefined;
    this.#space = model.escapeWhitespaces ? SPACE_MARK : ' ';
  }

  normalize(text: string): string {
    if (text === '') return '';
    const { removeExtraWhitespaces, addDummyPrefix, treatWhitespaceAsSuffix, escapeWhitespaces } =
      this.#model;
    let body = text;
    if (this.#charsmap || removeExtraWhitespaces) {
      const replaced = this.#applyRules(text);
      if (replaced === undefined) return '';
      body = replaced;
    }
    if (escapeWhitespaces) body = body.replaceAll(' ', SPACE_MARK);
    if (addDummyPrefix && !treatWhitespaceAsSuffix) body = this.#space + body;
    if (removeExtraWhitespaces) while (body.endsWith(this.#space)) body = body.slice(0, -this.#space.length);
    return addDummyPrefix && treatWhitespaceAsSuffix ? body + this.#space : body;
  }

  /** Rules, and spaces collapsed if the model wants that; undefined if nothing but space is left. */
  #applyRules(text: string): string | undefined {
    const collapse = this.#model.removeExtraWhitespaces;
    let start = 0;
    if (collapse) {
      while (start < text.length && this.#next(text, start) === ' ') start += this.#consumed;
      if (start === text.length) return undefined;
    }
    let out = '';
    let afterSpace = collapse;
    while (start < text.length) {
      let part = this.#next(text, start);
      start += this.#consumed;
      if (afterSpace) part = part.replace(/^ +/, '');
      out += part;
      if (part !== '') afterSpace = collapse && part.endsWith(' ');
    }
    return out;
  }

  #consumed = 0;

  /** What stands for the next user-defined symbol, rule or character; `#consumed` says how many units it covers. */
  #next(text: string, start: number): string {
    const userDefined = this.#userDefined.longestMatch(text, start);
    if (userDefined === 0) {
      const replacement = this.#charsmap?.match(text, start);
      if (replacement !== undefined) {
        this.#consumed = this.#charsmap!.matchLength;
        return replacement;
      }
    }
    this.#consumed = userDefined || (text.codePointAt(start)! > 0xffff ? 2 : 1);
    return text.slice(start, start + this.#consumed);
  }
}
