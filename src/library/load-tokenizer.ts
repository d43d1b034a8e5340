/** A tokenizer without its model. */
import { openTokenizer, tokenizerSource } from '../models/index.js';
import type { Tokenizer } from '../tokenizers/index.js';

/**
 * Needs no native part.
 * @param path a tokenizer file (`tokenizer.json`, SentencePiece), a folder that holds one, or a GGUF
 * @throws InputError if there is none that we can use
 */
export function loadTokenizer(path: string): Tokenizer {
  return openTokenizer(tokenizerSource(path));
}
