/** Vocabularies whose training is measured, as `xinghe tokenizer train` names them. */
export const VOCABULARY_TYPES = ['sentencepiece-bpe', 'sentencepiece-unigram', 'byte-level-bpe'] as const;
export type VocabularyType = (typeof VOCABULARY_TYPES)[number];
