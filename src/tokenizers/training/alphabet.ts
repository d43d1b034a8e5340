/** The characters of a vocabulary, and words as symbols over them. */
import { BOUNDARY } from './sentence-words.js';
import type { WordCounts } from './word-counts.js';

/** The characters that a vocabulary must hold. */
export interface Alphabet {
  /** Code points, most frequent first, of equally frequent ones the smaller: SentencePiece's order. */
  readonly byFrequency: readonly number[];
  /** Symbol of each code point: 1 for the smallest, and so on; 0 for those outside. */
  readonly symbolOf: Int32Array;
  /** Code point of each symbol. */
  readonly codePoints: readonly number[];
  /** How often each symbol occurs. */
  readonly counts: Float64Array;
}

const CODE_POINTS = 0x110000;
const BOUNDARY_CODE = BOUNDARY.charCodeAt(0);

/** The most frequent characters that together make up the share `coverage` of the text, as SentencePiece chooses them. */
export function chooseAlphabet(words: WordCounts, coverage: number): Alphabet {
  const counts = new Float64Array(CODE_POINTS);
  let total = 0;
  for (const [word, count] of words) {
    for (let index = 0; index < word.length; index++) {
      const unit = word.charCodeAt(index);
      const isPair = unit >= 0xd800 && unit < 0xdc00;
      counts[isPair ? word.codePointAt(index++)! : unit]! += count;
      total += count;
    }
  }
  // NUL is never part of a piece, and not counted.
  total -= counts[0]!;
  counts[0] = 0;
  const found: number[] = [];
  for (let codePoint = 0; codePoint < CODE_POINTS; codePoint++)
    if (counts[codePoint]! > 0) found.push(codePoint);
  found.sort((a, b) => counts[b]! - counts[a]! || a - b);
  const byFrequency: number[] = [];
  const enough = Math.fround(coverage);
  let covered = 0;
  for (const codePoint of found) {
    if (Math.fround(covered / total) >= enough) break;
    covered += counts[codePoint]!;
    if (codePoint !== BOUNDARY_CODE) byFrequency.push(codePoint);
  }
  const codePoints = [0, ...[...byFrequency].sort((a, b) => a - b)];
  const symbolOf = new Int32Array(CODE_POINTS);
  for (const [symbol, codePoint] of codePoints.entries()) symbolOf[codePoint] = symbol;
  symbolOf[0] = 0;
  return {
    byFrequency,
    symbolOf,
    codePoints,
    counts: Float64Array.from(codePoints, (codePoint, symbol) => (symbol === 0 ? 0 : counts[codePoint]!)),
  };
}

/** Words one after the other as symbols. */
export interface WordPool {
  /** Symbols; 0 before, between and behind words, and for what is outside the alphabet. */
  readonly symbols: Int32Array;
  /** For each place how often its word occurs. */
  readonly counts: Uint32Array;
}

/** Words of one symbol teach nothing about neighbours, but the unigram model counts them. */
export function poolWords(words: WordCounts, alphabet: Alphabet, shortest: number): WordPool {
  let size = 1;
  for (const word of words.keys()) size += word.length + 1;
  const symbols = new Int32Array(size);
  const counts = new Uint32Array(size);
  const { symbolOf } = alphabet;
  let at = 1;
  for (const [word, count] of words) {
    const start = at;
    for (let index = 0; index < word.length; index++) {
      const unit = word.charCodeAt(index);
      const isPair = unit >= 0xd800 && unit < 0xdc00;
      symbols[at] = symbolOf[isPair ? word.codePointAt(index++)! : unit]!;
      counts[at++] = count;
    }
    if (at - start < shortest) {
      symbols.fill(0, start, at);
      counts.fill(0, start, at);
      at = start;
    } else at += 1;
  }
  return { symbols: symbols.slice(0, at + 1), counts: counts.slice(0, at + 1) };
}
