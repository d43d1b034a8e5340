/** What the threads of tokenizer training do: chunks of text to counted words. */
import { type ByteLevelWordsOptions, byteLevelWords } from './byte-level-words.js';
import { textsOfChunk } from './chunk-texts.js';
import { RESERVED, SentenceWords, type SentenceWordsOptions } from './sentence-words.js';
import type { TextChunk } from './text-chunks.js';
import { type PackedWordCounts, packWordCounts, type WordCounts } from './word-counts.js';

export interface CountSetup {
  /** The key of a JSON line that holds the text. */
  readonly field: string;
  readonly words:
    | {
        readonly kind: 'sentencepiece';
        readonly maxSentenceBytes: number;
        readonly options: SentenceWordsOptions;
      }
    | { readonly kind: 'byte-level'; readonly options: ByteLevelWordsOptions };
  /** Count texts only. */
  readonly textsOnly: boolean;
}

export interface CountInput {
  readonly chunk: TextChunk;
  /** Which of the chunk's usable texts to take, a byte each; all of them if undefined. */
  readonly selected?: Uint8Array | undefined;
}

export interface CountOutput {
  readonly words: PackedWordCounts;
  /** Texts that can be learned from, taken or not. */
  readonly texts: number;
  /** Sentences left out because they are too long, and those that hold a reserved character. */
  readonly tooLong: number;
  readonly reserved: number;
}

export function start(setup: CountSetup): (input: CountInput) => CountOutput {
  const { words: kind } = setup;
  const visit = wordVisitor(kind);
  const isSentences = kind.kind === 'sentencepiece';
  return ({ chunk, selected }) => {
    const words: WordCounts = new Map();
    const add = (word: string): void => void words.set(word, (words.get(word) ?? 0) + 1);
    let texts = 0;
    let tooLong = 0;
    let reserved = 0;
    for (const text of textsOfChunk(chunk, { field: setup.field, keepNewlines: !isSentences })) {
      // A text of several lines is several sentences to SentencePiece.
      const parts = isSentences && text.includes('\n') ? text.split('\n') : [text];
      for (const part of parts) {
        if (part === '') continue;
        if (kind.kind === 'sentencepiece') {
          if (part.length * 3 > kind.maxSentenceBytes && Buffer.byteLength(part) > kind.maxSentenceBytes) {
            tooLong += 1;
            continue;
          }
          if (part.includes(RESERVED)) {
            reserved += 1;
            continue;
          }
        }
        const take = !setup.textsOnly && (selected === undefined || selected[texts] === 1);
        texts += 1;
        if (take) visit(part, add);
      }
    }
    return { words: packWordCounts(words), texts, tooLong, reserved };
  };
}

function wordVisitor(kind: CountSetup['words']): (text: string, add: (word: string) => void) => void {
  if (kind.kind === 'byte-level') return byteLevelWords(kind.options);
  const words = new SentenceWords(kind.options);
  return (text, add) => words.visit(text, add);
}
