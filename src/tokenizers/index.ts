/** Text to token ids and back: SentencePiece models and byte-pair tokenizer.json files. No chat formats. */
export { type FolderTokens, parseFolderTokens, readFolderTokens } from './folder-tokens.js';
export { bytesOfToken } from './huggingface/byte-alphabet.js';
export {
  cutTokenizer,
  encodeLiterally,
  foreignCuts,
  literalText,
  type UnitOrigin,
  withCuts,
} from './literal-text.js';
export {
  findTokenizerFile,
  type LoadTokenizerOptions,
  loadTokenizer,
  looksLikeJson,
  parseTokenizer,
} from './load-tokenizer.js';
export {
  type Piece,
  type PieceType,
  parseSentencePieceModel,
  type SentencePieceModel,
} from './sentencepiece/model-file.js';
export { writeSentencePieceModel } from './sentencepiece/write-model.js';
export type { DecodeOptions, DecodeStream, EncodeOptions, Tokenizer } from './tokenizer.js';
export { readTexts } from './training/chunk-texts.js';
export { type FertilityCounts, FertilityMeter, fertilityRates, TEXT_KINDS } from './training/fertility.js';
export { mergeVocabularies, newRowSources } from './training/merge-vocabulary.js';
export { NORMALIZATIONS } from './training/normalization-rules.js';
export type { SentencePieceTrainingOptions } from './training/sentencepiece-options.js';
export { sizeOfFiles } from './training/text-chunks.js';
export {
  BYTE_LEVEL_NORMALIZATIONS,
  type ByteLevelBpeJson,
  type TrainByteLevelBpeOptions,
  trainByteLevelBpe,
  trainByteLevelBpeOnFiles,
} from './training/train-byte-level-bpe.js';
export { trainSentencePiece } from './training/train-sentencepiece.js';
export type { TrainingInput, TrainingProgress } from './training/training-input.js';
