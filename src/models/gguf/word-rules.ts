/** How byte-level BPE cuts a text into words: llama.cpp's name for it, and the same as steps of a tokenizer.json. */

export interface WordRule {
  /** llama.cpp's tokenizer.ggml.pre; the first is the one that is written (llama-vocab.cpp, the patterns of each). */
  readonly names: readonly string[];
  /** Of tokenizer.json's pre_tokenizer. */
  readonly steps: readonly object[];
  /** Words that are tokens are taken whole, whatever the merges say. */
  readonly ignoresMerges: boolean;
  /** Of tokenizer.json; llama.cpp does not normalise. */
  readonly normalizer: object | null;
  /** A text begins with bos, where the file does not say. */
  readonly addsBos: boolean;
}

const LETTERS_OR_NUMBERS_OF_3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const BYTES = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
const BYTES_OF_WORDS = { ...BYTES, use_regex: false };
const bySplit = (pattern: string): object[] => [
  { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
  BYTES_OF_WORDS,
];
const plain = { ignoresMerges: false, normalizer: null, addsBos: false };

export const WORD_RULES: readonly WordRule[] = [
  { ...plain, names: ['gpt-2'], steps: [{ ...BYTES, use_regex: true }] },
  {
    ...plain,
    names: ['starcoder', 'smollm', 'refact', 'command-r'],
    steps: [
      { type: 'Digits', individual_digits: true },
      { ...BYTES, use_regex: true },
    ],
  },
  {
    names: ['llama-bpe', 'llama3', 'llama-v3'],
    steps: bySplit(LETTERS_OR_NUMBERS_OF_3),
    ignoresMerges: true,
    normalizer: null,
    addsBos: true,
  },
  { ...plain, names: ['smaug-bpe'], steps: bySplit(LETTERS_OR_NUMBERS_OF_3) },
  {
    ...plain,
    names: ['qwen2', 'deepseek-r1-qwen'],
    steps: bySplit(LETTERS_OR_NUMBERS_OF_3.replace('{1,3}', '')),
    normalizer: { type: 'NFC' },
  },
];
