import { InputError } from '../../errors/index.js';
import { AddedVocabulary } from '../huggingface/added-vocabulary.js';
import { BYTE_CHARACTERS } from '../huggingface/byte-alphabet.js';
import { compilePreTokenizer } from '../huggingface/pre-tokenizers.js';
import { JsonFields } from '../json-fields.js';
import { replaceLoneSurrogates } from '../tokenizer.js';
import { learnMerges } from './learn-merges.js';

export interface TrainByteLevelBpeOptions {
  readonly texts: Iterable<string>;
  /** Ids in all: special tokens, 256 bytes, then merges. Fewer come out if no pair is left to merge. */
  readonly vocabSize: number;
  /** Tokens with the first ids, in this order; they are recognised in texts and never split. Default none. */
  readonly specialTokens?: readonly string[];
  /** A pair that occurs less often is not merged. Default 2. */
  readonly minFrequency?: number;
}

/** A byte-level BPE tokenizer in the format of tokenizer.json: JSON.stringify gives the file. */
export interface ByteLevelBpeJson {
  readonly version: '1.0';
  readonly truncation: null;
  readonly padding: null;
  readonly added_tokens: readonly object[];
  readonly normalizer: null;
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
const PRE_TOKENIZER = {
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: WORD_PATTERN }, behavior: 'Isolated', invert: false },
    BYTE_LEVEL,
  ],
};
const NUM_BYTES = 256;

/**
 * Learns a byte-level BPE vocabulary. The same texts in the same order give the same result.
 * @throws InputError if the vocabulary has no room for the bytes and special tokens, or a special token is empty,
 *   double or a single byte's character.
 */
export function trainByteLevelBpe(options: TrainByteLevelBpeOptions): ByteLevelBpeJson {
  const specialTokens = options.specialTokens ?? [];
  const maxMerges = options.vocabSize - specialTokens.length - NUM_BYTES;
  if (!Number.isInteger(maxMerges) || maxMerges < 0) {
    throw new InputError(
      `A vocabulary of ${options.vocabSize} has no room for ${NUM_BYTES} bytes and ${specialTokens.length} special tokens; make it at least ${NUM_BYTES + specialTokens.length}.`,
    );
  }
  const ids = new Map<string, number>();
  for (const token of [...specialTokens, ...BYTE_CHARACTERS]) {
    if (token === '' || ids.has(token)) {
      throw new InputError(`Special token ${JSON.stringify(token)} is empty, given twice or a single byte.`);
    }
    ids.set(token, ids.size);
  }
  const names = [...BYTE_CHARACTERS];
  const symbols = new Map(names.map((name, symbol) => [name, symbol]));
  const merges = learnMerges({
    words: wordsAsBytes(countWords(options.texts, specialTokens)),
    numBaseSymbols: NUM_BYTES,
    maxSymbols: NUM_BYTES + maxMerges,
    minFrequency: options.minFrequency ?? 2,
    symbolOf: (left, right) => {
      const name = names[left]! + names[right]!;
      const known = symbols.get(name);
      if (known !== undefined) return known;
      symbols.set(name, names.length);
      return names.push(name) - 1;
    },
  });
  for (const name of names) if (!ids.has(name)) ids.set(name, ids.size);
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => addedToken(content, id)),
    normalizer: null,
    pre_tokenizer: PRE_TOKENIZER,
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
      merges: merges.map(([left, right]) => [names[left]!, names[right]!] as const),
    },
  };
}

/** An entry of `added_tokens`. */
function addedToken(content: string, id: number) {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

/** How often each word occurs, in order of first occurrence. */
function countWords(texts: Iterable<string>, specialTokens: readonly string[]): Map<string, number> {
  const { split } = compilePreTokenizer(new JsonFields(PRE_TOKENIZER, 'pre_tokenizer'));
  const special = specialTokens.map((content, id) => ({
    id,
    content,
    special: true,
    singleWord: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  const splitter = new AddedVocabulary(special, undefined);
  const counts = new Map<string, number>();
  const words: string[] = [];
  for (const text of texts) {
    splitter.visit(replaceLoneSurrogates(text), {
      onToken: () => {},
      onText: (part, atStart) => {
        words.length = 0;
        split(part, atStart, words);
        for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
      },
    });
  }
  return counts;
}

function* wordsAsBytes(counts: ReadonlyMap<string, number>): Generator<readonly [Int32Array, number], void> {
  for (const [word, count] of counts) yield [Int32Array.from(Buffer.from(word)), count];
}
