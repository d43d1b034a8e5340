/** Cuts training text into words for byte-level BPE. */
import { AddedVocabulary } from '../huggingface/added-vocabulary.js';
import { compilePreTokenizer } from '../huggingface/pre-tokenizers.js';
import { JsonFields } from '../json-fields.js';
import { replaceLoneSurrogates } from '../tokenizer.js';

export interface ByteLevelWordsOptions {
  /** The `pre_tokenizer` object of the file to come. */
  readonly preTokenizer: object;
  /** Never learned from: texts are cut at them. */
  readonly specialTokens: readonly string[];
  readonly normalization: 'identity' | 'nfc' | 'nfkc';
}

/** Cuts texts into words by a pre-tokenizer; each call hands its words to `add`. Throws InputError for a bad pattern. */
export function byteLevelWords(
  options: ByteLevelWordsOptions,
): (text: string, add: (word: string) => void) => void {
  const { split } = compilePreTokenizer(new JsonFields(options.preTokenizer, 'pre_tokenizer'));
  const plain = { special: true, singleWord: false, lstrip: false, rstrip: false, normalized: false };
  const special = options.specialTokens.map((content, id) => ({ id, content, ...plain }));
  const splitter = new AddedVocabulary(special, normalizer(options.normalization));
  const words: string[] = [];
  return (text, add) => {
    splitter.visit(replaceLoneSurrogates(text), {
      onToken: () => {},
      onText: (part, atStart) => {
        words.length = 0;
        split(part, atStart, words);
        for (const word of words) add(word);
      },
    });
  };
}

function normalizer(
  normalization: ByteLevelWordsOptions['normalization'],
): ((text: string) => string) | undefined {
  switch (normalization) {
    case 'identity':
      return undefined;
    case 'nfc':
      return (text) => text.normalize('NFC');
    case 'nfkc':
      return (text) => text.normalize('NFKC');
  }
}
