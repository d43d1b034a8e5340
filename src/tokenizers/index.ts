/** Text to token ids and back: SentencePiece models and byte-pair tokenizer.json files. No chat formats. */
export { type LoadTokenizerOptions, loadTokenizer } from './load-tokenizer.js';
export type { DecodeOptions, DecodeStream, EncodeOptions, Tokenizer } from './tokenizer.js';
