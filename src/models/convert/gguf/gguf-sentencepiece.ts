/** A SentencePiece BPE model as llama.cpp's tokenizer `llama`, which merges by score as SentencePiece does. */
import {
  type FolderTokens,
  parseSentencePieceModel,
  type SentencePieceModel,
  type Tokenizer,
} from '../../../tokenizers/index.js';
import type { GgufRefusal } from './gguf-layout.js';
import { type GgufToken, type GgufVocabulary, TOKEN_TYPES } from './gguf-vocabulary.js';

/** @param added tokens that the files beside the model declare; ids beyond its pieces are theirs */
export function sentencePieceVocabulary(
  bytes: Uint8Array,
  source: string,
  tokenizer: Tokenizer,
  added: FolderTokens['added'],
): GgufVocabulary | GgufRefusal {
  const model = parseSentencePieceModel(bytes, source);
  if (model.algorithm !== 'bpe')
    return { unsupported: 'is a unigram model, which llama.cpp encodes otherwise than SentencePiece' };
  if (!model.byteFallback)
    return { unsupported: 'has no byte pieces, without which llama.cpp does not load it' };
  const typeOfAdded = (text: string): number | undefined => {
    const token = added.get(text);
    if (token === undefined) return undefined;
    return token.special ? TOKEN_TYPES.control : TOKEN_TYPES['user-defined'];
  };
  const mergeable = mergeableSymbols(model);
  const tokens: GgufToken[] = model.pieces.map(({ text, score, type }) => ({
    text,
    score,
    type:
      type === 'normal'
        ? (typeOfAdded(text) ?? TOKEN_TYPES.normal)
        : mergeable.has(text)
          ? TOKEN_TYPES.normal
          : TOKEN_TYPES[type],
  }));
  for (let id = tokens.length; id < tokenizer.vocabSize; id++) {
    const text = tokenizer.idToToken(id);
    tokens.push({ text, score: 0, type: typeOfAdded(text) ?? TOKEN_TYPES.unused });
  }
  const differences = [
    ...(model.charsmap.length > 0
      ? [
          'llama.cpp does not normalise text; what the model folds (full-width letters and the like) stays there',
        ]
      : []),
    ...(model.removeExtraWhitespaces ? ['llama.cpp keeps runs of spaces, which the model makes one'] : []),
  ];
  return { model: 'llama', pre: 'default', tokens, addSpacePrefix: model.addDummyPrefix, differences };
}

/**
 * User-defined pieces that merging finds as well: single characters, and those longer by one that can be merged, if no other
 * piece holds their characters. llama.cpp cuts a text at user-defined tokens and begins each part with a space, which
 * SentencePiece does not; as normal tokens they leave it whole.
 */
function mergeableSymbols({ pieces }: SentencePieceModel): ReadonlySet<string> {
  const merged = new Set(
    pieces
      .filter(({ type, text }) => type === 'normal' && [...text].length > 1)
      .flatMap(({ text }) => [...text]),
  );
  const found = new Set<string>();
  const symbols = pieces.filter(({ type }) => type === 'user-defined').map(({ text }) => text);
  for (const text of symbols.sort((a, b) => a.length - b.length)) {
    const characters = [...text];
    const last = characters.at(-1) ?? '';
    const start = characters.slice(0, -1).join('');
    const isFree = characters.every((character) => !merged.has(character));
    if (isFree && (start === '' || (found.has(start) && found.has(last)))) found.add(text);
  }
  return found;
}
