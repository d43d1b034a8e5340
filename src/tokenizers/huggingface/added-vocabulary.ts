/** Added tokens of a tokenizer.json. */
import type { AddedToken } from '../added-token.js';
import { Trie } from '../trie.js';
import type { NormalizeText } from './normalizers.js';

const ENDS_IN_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const STARTS_WITH_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const IS_SPACE = /\p{White_Space}/u;

/** Calls back for what a text consists of, in order. */
export interface AddedTokenVisitor {
  /** @param atStart whether the text is the beginning of the whole input. */
  onText(text: string, atStart: boolean): void;
  onToken(id: number): void;
}

/**
 * Finds added tokens as the Hugging Face tokenizers library does: first those that are matched in the raw text,
 * then, in the normalised stretches between them, those that are matched after normalisation; leftmost and
 * longest first.
 */
export class AddedVocabulary {
  readonly #normalize: NormalizeText | undefined;
  readonly #raw: Matcher | undefined;
  readonly #normalized: Matcher | undefined;

  constructor(tokens: readonly AddedToken[], normalize: NormalizeText | undefined) {
    this.#normalize = normalize;
    const raw = tokens.filter((token) => !token.normalized);
    const normalized = tokens.filter((token) => token.normalized);
    this.#raw = raw.length > 0 ? new Matcher(raw, (content) => content) : undefined;
    this.#normalized =
      normalized.length > 0 ? new Matcher(normalized, normalize ?? ((text) => text)) : undefined;
  }

  visit(text: string, visitor: AddedTokenVisitor): void {
    if (this.#raw)
      this.#raw.visit(text, true, { ...visitor, onText: (...part) => this.#visitText(...part, visitor) });
    else this.#visitText(text, true, visitor);
  }

  #visitText(text: string, atStart: boolean, visitor: AddedTokenVisitor): void {
    const normalized = this.#normalize ? this.#normalize(text) : text;
    if (this.#normalized) this.#normalized.visit(normalized, atStart, visitor);
    else if (normalized !== '') visitor.onText(normalized, atStart);
  }
}

class Matcher {
  readonly #trie = new Trie();
  readonly #tokens: readonly AddedToken[];

  constructor(tokens: readonly AddedToken[], normalize: NormalizeText) {
    this.#tokens = tokens;
    for (const [index, token] of tokens.entries()) {
      const content = normalize(token.content);
      if (content !== '') this.#trie.add(content, index);
    }
  }

  visit(text: string, atStart: boolean, visitor: AddedTokenVisitor): void {
    const { starts } = this.#trie;
    let done = 0;
    for (let index = 0; index < text.length; ) {
      const length = starts[text.charCodeAt(index)] === 1 ? this.#trie.longestMatch(text, index) : 0;
      if (length === 0) {
        index += 1;
        continue;
      }
      const token = this.#tokens[this.#trie.valueOf(text.slice(index, index + length))]!;
      let start = index;
      let stop = index + length;
      index = stop;
      if (token.singleWord && !standsAlone(text, start, stop)) continue;
      if (token.lstrip) while (start > done && IS_SPACE.test(text[start - 1]!)) start -= 1;
      if (token.rstrip) while (stop < text.length && IS_SPACE.test(text[stop]!)) stop += 1;
      if (done < start) visitor.onText(text.slice(done, start), atStart && done === 0);
      visitor.onToken(token.id);
      done = stop;
      index = Math.max(index, stop);
    }
    if (done < text.length) visitor.onText(text.slice(done), atStart && done === 0);
  }
}

/** Whether neither neighbour is a word character; at most two code units decide on each side. */
function standsAlone(text: string, start: number, stop: number): boolean {
  return (
    !ENDS_IN_WORD.test(text.slice(Math.max(0, start - 2), start)) &&
    !STARTS_WITH_WORD.test(text.slice(stop, stop + 2))
  );
}
