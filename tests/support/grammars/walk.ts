/** For the tests: tokens under the mask of a grammar, on this thread. */

import { compileGrammar } from '../../../src/generation/structured/compile-grammar.js';
import type { GrammarSpec } from '../../../src/generation/structured/grammar-spec.js';
import {
  SequenceMatcher,
  TokenGrammar,
  VocabularyTries,
} from '../../../src/generation/structured/sequence-matcher.js';
import { tokenVocabulary } from '../../../src/generation/structured/token-vocabulary.js';
import type { Tokenizer } from '../../../src/tokenizers/index.js';

export class Walker {
  readonly tokenizer: Tokenizer;
  readonly stopId: number;
  readonly #tries: VocabularyTries;

  /** The stop id is one that the tokenizer has, as with most models; the model has 100 ids more. */
  constructor(tokenizer: Tokenizer, stopId = tokenizer.eosTokenId ?? tokenizer.vocabSize) {
    this.tokenizer = tokenizer;
    this.stopId = stopId;
    this.#tries = new VocabularyTries(tokenVocabulary(tokenizer, [stopId], tokenizer.vocabSize + 100));
  }

  grammar(spec: GrammarSpec, maxKeptFrames?: number): TokenGrammar {
    const { maxTokenBytes } = this.#tries.tokens;
    return new TokenGrammar(compileGrammar(spec, maxTokenBytes, maxKeptFrames), this.#tries);
  }

  /**
   * Chooses among the allowed ids until the stop id.
   * @param choose picks one of ascending ids
   * @returns the text; undefined if there was no end after `maxTokens`
   */
  walk(
    grammar: TokenGrammar,
    choose: (allowed: readonly number[], step: number) => number,
    maxTokens: number,
  ): string | undefined {
    const matcher = new SequenceMatcher(grammar);
    const mask = this.#newMask();
    const ids: number[] = [];
    for (let step = 0; step < maxTokens; step++) {
      matcher.writeMask(mask);
      const id = choose(allowedIds(mask), step);
      if (id === this.stopId) return this.tokenizer.decode(ids, { skipSpecialTokens: true });
      matcher.accept(id);
      ids.push(id);
    }
    return undefined;
  }

  /** The first of these ids, followed by the stop id, that the grammar does not allow; undefined if it allows all. */
  firstRefused(grammar: TokenGrammar, ids: readonly number[]): number | undefined {
    const matcher = new SequenceMatcher(grammar);
    const mask = this.#newMask();
    for (const id of [...ids, this.stopId]) {
      matcher.writeMask(mask);
      if (!isAllowed(mask, id)) return id;
      matcher.accept(id);
    }
    return undefined;
  }

  /** The masks before each of these ids and after the last. */
  masks(grammar: TokenGrammar, ids: readonly number[]): Uint32Array[] {
    const matcher = new SequenceMatcher(grammar);
    return [...ids, undefined].map((id) => {
      const mask = this.#newMask();
      matcher.writeMask(mask);
      if (id !== undefined) matcher.accept(id);
      return mask;
    });
  }

  #newMask(): Uint32Array {
    return new Uint32Array((this.#tries.vocabulary.size + 31) >>> 5);
  }
}

export function isAllowed(mask: Uint32Array, id: number): boolean {
  return ((mask[id >> 5]! >>> (id & 31)) & 1) === 1;
}

export function allowedIds(mask: Uint32Array): number[] {
  const ids: number[] = [];
  for (const [index, word] of mask.entries()) {
    for (let bit = 0; bit < 32 && word >>> bit !== 0; bit++)
      if ((word >>> bit) & 1) ids.push(index * 32 + bit);
  }
  return ids;
}
