/** Learns the pieces of a SentencePiece BPE model. */
import type { Piece } from '../sentencepiece/model-file.js';
import { type Alphabet, poolWords, type WordPool } from './alphabet.js';
import { type MergeRules, PairMerger } from './pair-merger.js';
import { type PieceRuleOptions, PieceRules } from './piece-rules.js';
import type { WordCounts } from './word-counts.js';

export interface LearnPiecesOptions {
  readonly words: WordCounts;
  readonly alphabet: Alphabet;
  readonly rules: PieceRuleOptions;
  /** Pieces to learn, characters included. */
  readonly numPieces: number;
  /** Called with the pieces found so far. */
  readonly onProgress?: ((pieces: number) => void) | undefined;
}

const PROGRESS_STEP = 256;

/**
 * SentencePiece's BPE: pieces in order of merging, then the characters, most frequent first; scores 0, -1, -2, …
 * Of pairs of equal frequency the shorter piece comes first, then the one whose text is smaller. A text that two
 * different pairs spell is learned once; the second pair never merges. Where no pair is left those come that stood in the text
 * before others were merged. Fewer pieces come back only if these are used up, too.
 */
export function learnBpePieces(options: LearnPiecesOptions): Piece[] {
  const numCharacters = options.alphabet.codePoints.length - 1;
  const pool = poolWords(options.words, options.alphabet, 2);
  // Long before the rare pairs' turn comes the vocabulary is full, mostly; if it is not, all pairs are needed.
  const minCount = expectedMinCount(pool, options.numPieces - numCharacters);
  if (minCount > 1) {
    const pieces = mergePieces(options, pool, minCount);
    if (pieces.length === options.numPieces) return pieces;
  }
  return mergePieces(options, minCount > 1 ? poolWords(options.words, options.alphabet, 2) : pool, 1);
}

/**
 * A frequency that no merge is likely to fall below. The text's share of one merge is the yardstick: frequencies fall
 * about as the inverse of the rank, so the last of N merges occurs some (places / N / ln N) times; a safe part of it.
 */
function expectedMinCount(pool: WordPool, numMerges: number): number {
  if (numMerges < 2) return 1;
  let places = 0;
  for (const count of pool.counts) places += count;
  return Math.max(1, Math.floor(places / numMerges / Math.log(numMerges) / SAFETY));
}

const SAFETY = 4;

function mergePieces(options: LearnPiecesOptions, pool: WordPool, minCount: number): Piece[] {
  const { alphabet, numPieces } = options;
  const numCharacters = alphabet.codePoints.length - 1;
  const maxMerges = numPieces - numCharacters;
  const rules = new PieceRules(alphabet.codePoints, options.rules);
  /** Symbols of one character, as they stand in the text: the text of any pair. */
  const characters = Int32Array.from(pool.symbols);
  const texts = alphabet.codePoints.map((codePoint) => String.fromCodePoint(codePoint));
  const known = new Set<string>();
  const mergeRules: MergeRules = {
    allows: (left, right) => rules.allows(left, right),
    precedes: (a, b) => {
      const length = rules.length(a.left) + rules.length(a.right);
      const difference = length - rules.length(b.left) - rules.length(b.right);
      if (difference !== 0) return difference < 0;
      for (let index = 0; index < length; index++) {
        const order = characters[a.at + index]! - characters[b.at + index]!;
        if (order !== 0) return order < 0;
      }
      return a.left < b.left;
    },
    symbolOf: (left, right) => {
      const text = texts[left]! + texts[right]!;
      if (known.has(text)) return -1;
      known.add(text);
      rules.add(left, right);
      return texts.push(text) - 1;
    },
  };
  const merger = new PairMerger(pool, mergeRules, numCharacters + 1 + Math.max(maxMerges, 0), minCount);
  const pieces: Piece[] = [];
  const add = (text: string): void => void pieces.push({ text, score: -pieces.length, type: 'normal' });
  while (pieces.length < maxMerges) {
    const merged = merger.next();
    if (merged === undefined) break;
    add(texts[merged.symbol]!);
    if (pieces.length % PROGRESS_STEP === 0) options.onProgress?.(pieces.length);
  }
  // Once no pair stands in the text any more SentencePiece goes on with those that stood there, the shorter ones first.
  if (pieces.length < maxMerges && minCount === 1)
    for (const { left, right } of merger.faded().sort((a, b) => (mergeRules.precedes(a, b) ? -1 : 1))) {
      const text = texts[left]! + texts[right]!;
      if (pieces.length === maxMerges) break;
      if (known.has(text)) continue;
      known.add(text);
      add(text);
    }
  for (const codePoint of alphabet.byFrequency) add(String.fromCodePoint(codePoint));
  return pieces;
}
