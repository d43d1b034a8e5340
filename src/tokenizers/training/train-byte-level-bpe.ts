/** Trains a byte-level BPE tokenizer and writes it as tokenizer.json. */
import { InputError } from '../../errors/index.js';
import { BYTE_CHARACTERS } from '../huggingface/byte-alphabet.js';
import { byteLevelWords } from './byte-level-words.js';
import { type CountedTexts, countTexts } from './count-texts.js';
import { learnByteMerges, type Merge } from './learn-byte-merges.js';
import type { TrainingInput, TrainingProgress } from './training-input.js';
import type { WordCounts } from './word-counts.js';

export interface ByteLevelBpeOptions {
  /** Ids in all: special tokens, 256 bytes, then merges. Fewer come out if no pair is left to merge. */
  readonly vocabSize: number;
  /** Tokens with the first ids, in this order; they are recognised in texts and never split. Default none. */
  readonly specialTokens?: readonly string[] | undefined;
  /** A pair that occurs less often is not merged. Default 2. */
  readonly minFrequency?: number | undefined;
  /** The regular expression of a word, in the syntax of tokenizer.json; what lies between matches is a word too. */
  readonly pattern?: string | undefined;
  /** Applied to texts first. Default none. */
  readonly normalization?: ByteLevelNormalization | undefined;
}

export const BYTE_LEVEL_NORMALIZATIONS = ['identity', 'nfc', 'nfkc'] as const;
export type ByteLevelNormalization = (typeof BYTE_LEVEL_NORMALIZATIONS)[number];

export interface TrainByteLevelBpeOptions extends ByteLevelBpeOptions {
  readonly texts: Iterable<string>;
}

/** A byte-level BPE tokenizer in the format of tokenizer.json: JSON.stringify gives the file. */
export interface ByteLevelBpeJson {
  readonly version: '1.0';
  readonly truncation: null;
  readonly padding: null;
  readonly added_tokens: readonly object[];
  readonly normalizer: { readonly type: 'NFC' | 'NFKC' } | null;
  readonly pre_tokenizer: object;
  readonly post_processor: null;
  readonly decoder: object;
  readonly model: {
    readonly type: 'BPE';
    readonly vocab: Readonly<Record<string, number>>;
    readonly merges: readonly (readonly [string, string])[];
    readonly [key: string]: unknown;
  };
}

/** Words as in Llama 3: contractions, letters, punctuation and white space apart; but each digit on its own. */
const WORD_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
const NUM_BYTES = 256;
const NORMALIZERS = { identity: null, nfc: { type: 'NFC' }, nfkc: { type: 'NFKC' } } as const;

function preTokenizer(pattern: string): object {
  return {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
      BYTE_LEVEL,
    ],
  };
}

/**
 * Learns a byte-level BPE vocabulary from texts in memory. The same texts in the same order give the same result.
 * @throws InputError if the vocabulary has no room for the bytes and special tokens, or a special token is empty,
 *   double or a single byte's character.
 */
export function trainByteLevelBpe(options: TrainByteLevelBpeOptions): ByteLevelBpeJson {
  const ids = firstIds(options);
  const words: WordCounts = new Map();
  const visit = byteLevelWords(wordOptions(options));
  const add = (word: string): void => void words.set(word, (words.get(word) ?? 0) + 1);
  for (const text of options.texts) visit(text, add);
  return tokenizerJson(options, ids, words, undefined);
}

/** The same from files, on several threads. A line of plain text keeps its newline, as in Hugging Face tokenizers. */
export async function trainByteLevelBpeOnFiles(
  options: ByteLevelBpeOptions,
  input: TrainingInput,
): Promise<{ readonly json: ByteLevelBpeJson; readonly counted: Omit<CountedTexts, 'words'> }> {
  const ids = firstIds(options);
  const { words, ...counted } = await countTexts({
    ...input,
    onProgress: (bytes) => input.onProgress?.({ stage: 'read', done: bytes }),
    setup: { field: input.field ?? 'text', words: { kind: 'byte-level', options: wordOptions(options) } },
  });
  return { json: tokenizerJson(options, ids, words, input.onProgress), counted };
}

function wordOptions(options: ByteLevelBpeOptions) {
  return {
    preTokenizer: preTokenizer(options.pattern ?? WORD_PATTERN),
    specialTokens: options.specialTokens ?? [],
    normalization: options.normalization ?? 'identity',
  };
}

/** Special tokens, then bytes. */
function firstIds({ vocabSize, specialTokens = [] }: ByteLevelBpeOptions): Map<string, number> {
  const minVocabSize = specialTokens.length + NUM_BYTES;
  if (!Number.isInteger(vocabSize) || vocabSize < minVocabSize) {
    throw new InputError(
      `A vocabulary of ${vocabSize} has no room for ${NUM_BYTES} bytes and ${specialTokens.length} special tokens; make it at least ${minVocabSize}.`,
    );
  }
  const ids = new Map<string, number>();
  for (const token of [...specialTokens, ...BYTE_CHARACTERS]) {
    if (token === '' || ids.has(token)) {
      throw new InputError(`Special token ${JSON.stringify(token)} is empty, given twice or a single byte.`);
    }
    ids.set(token, ids.size);
  }
  return ids;
}

function tokenizerJson(
  options: ByteLevelBpeOptions,
  ids: Map<string, number>,
  words: WordCounts,
  onProgress: TrainingProgress | undefined,
): ByteLevelBpeJson {
  const specialTokens = options.specialTokens ?? [];
  const total = options.vocabSize - specialTokens.length;
  onProgress?.({ stage: 'learn', done: 0, total });
  const { names, merges } = learnByteMerges({
    words,
    maxSymbols: total,
    minFrequency: options.minFrequency ?? 2,
    onProgress: (done) => onProgress?.({ stage: 'learn', done, total }),
  });
  for (const name of names) if (!ids.has(name)) ids.set(name, ids.size);
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => addedToken(content, id)),
    normalizer: NORMALIZERS[options.normalization ?? 'identity'],
    pre_tokenizer: preTokenizer(options.pattern ?? WORD_PATTERN),
    post_processor: null,
    decoder: BYTE_LEVEL,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(ids),
      merges: merges.map(([left, right]: Merge) => [names[left]!, names[right]!] as const),
    },
  };
}

/** An entry of `added_tokens`. */
function addedToken(content: string, id: number) {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}
