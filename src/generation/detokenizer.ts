/** Incremental detokenisation: ids of an answer to text, one by one. */
import type { DecodeStream, Tokenizer } from '../tokenizers/index.js';
import type { TextRequest } from './requests.js';

/** Decodes the ids of an answer: as a text of its own, or as it stands behind the prompt. */
export function createDetokenizer(
  tokenizer: Tokenizer,
  {
    promptIds,
    skipSpecialTokens = true,
    continuesPrompt = false,
  }: Pick<TextRequest, 'promptIds' | 'skipSpecialTokens' | 'continuesPrompt'>,
): DecodeStream {
  const stream = tokenizer.createDecodeStream({ skipSpecialTokens });
  const last = promptIds.at(-1);
  if (!continuesPrompt || last === undefined) return stream;
  // SentencePiece drops the space at the beginning of a text: behind another token there is none to drop.
  const shown = stream.push(last);
  if (shown === tokenizer.decode([last], { skipSpecialTokens })) return stream;
  // A piece of a character, or of a mark: it belongs to the prompt and must not be seen in the answer.
  return tokenizer.createDecodeStream({ skipSpecialTokens });
}
