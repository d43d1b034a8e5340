/** Text to token ids and back: SentencePiece models and byte-pair tokenizer.json files. No chat formats. */
export { type LoadTokenizerOptions, loadTokenizer, parseTokenizer } from './load-tokenizer.js';
export type { DecodeOptions, DecodeStream, EncodeOptions, Tokenizer } from './tokenizer.js';
export {
  type ByteLevelBpeJson,
  type TrainByteLevelBpeOptions,
  trainByteLevelBpe,
} from './training/train-byte-level-bpe.js';
