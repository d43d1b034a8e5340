/** The bytes of every token, as grammars need them. */
import type { Tokenizer } from '../../tokenizers/index.js';
import type { PackedTokens } from './token-trie.js';

/** What a grammar must know of a tokenizer; plain data, to cross to a thread. */
export interface TokenVocabulary extends PackedTokens {
  /** Ids that a mask has bits for: those of the model, which may have more than the tokenizer. */
  readonly size: number;
  readonly stopIds: readonly number[];
  readonly leadingSpace: LeadingSpace;
  /** Tokens that are nothing but the space that is dropped; a byte piece of a space is not among them. */
  readonly loneSpaces: readonly number[];
}

/**
 * What decoding does with the space that the first token of a text begins with. 'keep': it is text. 'drop-one': it is
 * not, as SentencePiece writes one before every text. 'drop-all': nor are those of the tokens after it, as long as
 * there is no text.
 */
export type LeadingSpace = 'keep' | 'drop-one' | 'drop-all';

/**
 * @param stopIds ends of a text; they are never part of it
 * @param modelVocabSize ids that the model gives scores for; at least `tokenizer.vocabSize`. Default the latter
 */
export function tokenVocabulary(
  tokenizer: Tokenizer,
  stopIds: readonly number[],
  modelVocabSize = tokenizer.vocabSize,
): TokenVocabulary {
  const stops = new Set(stopIds);
  const offsets = new Int32Array(tokenizer.vocabSize + 1);
  const texts: Uint8Array[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const text = stops.has(id) ? undefined : tokenizer.tokenBytes(id);
    offsets[id + 1] = offsets[id]! + (text?.length ?? 0);
    if (text !== undefined) texts.push(text);
  }
  const size = Math.max(modelVocabSize, tokenizer.vocabSize);
  const bytes = new Uint8Array(Buffer.concat(texts));
  const loneSpaces = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
    (id) =>
      offsets[id + 1]! - offsets[id]! === 1 && bytes[offsets[id]!] === SPACE && tokenizer.decode([id]) === '',
  );
  const leadingSpace = leadingSpaceOf(tokenizer, offsets, bytes, loneSpaces[0]);
  return { offsets, bytes, size, stopIds: [...stops], leadingSpace, loneSpaces };
}

const SPACE = 0x20;

/** Found by trying: the rule lies in the files of the tokenizer in many forms. */
function leadingSpaceOf(
  tokenizer: Tokenizer,
  offsets: Int32Array,
  bytes: Uint8Array,
  loneSpace: number | undefined,
): LeadingSpace {
  let word: number | undefined;
  for (let id = 0; id + 1 < offsets.length && word === undefined; id++) {
    const start = offsets[id]!;
    if (offsets[id + 1]! - start === 2 && bytes[start] === SPACE && bytes[start + 1]! > SPACE) word = id;
  }
  const probe = word ?? loneSpace;
  if (probe === undefined || tokenizer.decode([probe]).startsWith(' ')) return 'keep';
  if (loneSpace === undefined) return 'drop-one';
  return tokenizer.decode([loneSpace, probe]).startsWith(' ') ? 'drop-one' : 'drop-all';
}
