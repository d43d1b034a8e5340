import type { Tokenizer } from '../../tokenizers/index.js';
import type { PackedTokens } from './token-trie.js';

/** What a grammar must know of a tokenizer; plain data, to cross to a thread. */
export interface TokenVocabulary extends PackedTokens {
  /** Ids that a mask has bits for: those of the model, which may have more than the tokenizer. */
  readonly size: number;
  readonly stopIds: readonly number[];
  readonly leadingSpace: LeadingSpace;
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
  return {
    offsets,
    bytes,
    size,
    stopIds: [...stops],
    leadingSpace: leadingSpaceOf(tokenizer, offsets, bytes),
  };
}

const SPACE = 0x20;

/** Found by trying: the rule lies in the files of the tokenizer in many forms. */
function leadingSpaceOf(tokenizer: Tokenizer, offsets: Int32Array, bytes: Uint8Array): LeadingSpace {
  const isWord = (id: number) =>
    offsets[id + 1]! - offsets[id]! === 2 &&
    bytes[offsets[id]!] === SPACE &&
    bytes[offsets[id]! + 1]! > SPACE;
  const isSpace = (id: number) => offsets[id + 1]! - offsets[id]! === 1 && bytes[offsets[id]!] === SPACE;
  const ids = Array.from({ length: offsets.length - 1 }, (_, id) => id);
  const word = ids.find(isWord);
  // A byte piece of a space is text even where a piece of a space is not.
  const space = ids.find((id) => isSpace(id) && tokenizer.decode([id]) === '');
  const probe = word ?? space;
  if (probe === undefined || tokenizer.decode([probe]).startsWith(' ')) return 'keep';
  if (space === undefined) return 'drop-one';
  const after = word ?? space;
  return tokenizer.decode([space, after]).startsWith(' ') ? 'drop-one' : 'drop-all';
}
