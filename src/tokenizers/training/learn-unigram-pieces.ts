/** Learns the pieces of a SentencePiece unigram model by expectation-maximisation. */
import type { Piece } from '../sentencepiece/model-file.js';
import { type Alphabet, poolWords } from './alphabet.js';
import type { LearnPiecesOptions } from './learn-bpe-pieces.js';
import { PieceRules } from './piece-rules.js';
import { findSuffixIntervals, type SuffixIntervals } from './suffix-intervals.js';
import { type PieceValues, UnigramLattice } from './unigram-lattice.js';

export interface LearnUnigramOptions extends Omit<LearnPiecesOptions, 'onProgress'> {
  /** Pieces to begin with, besides the characters. */
  readonly seedSize: number;
  /** Rounds of expectation and maximisation between two prunings. */
  readonly numSubIterations: number;
  /** Share of the pieces that a pruning keeps. */
  readonly shrinkingFactor: number;
  /** Ids of the whole vocabulary, special pieces included: prunings end a tenth above it. */
  readonly vocabSize: number;
  /** Called with the rounds done and the pieces still there. */
  readonly onProgress?: ((rounds: number, pieces: number) => void) | undefined;
}

/** Pieces expected less often than this are dropped. */
const MIN_EXPECTED = 0.5;
/** Prunings end with so many times the vocabulary; the best pieces of these are taken. */
const SURPLUS = 1.1;
/** How much worse than the worst piece an unknown character scores. */
const UNKNOWN_PENALTY = 10;
/** Characters that are no piece of their own are put in behind the worst piece, this far apart. */
const PENALTY_STEP = 0.0001;

/**
 * SentencePiece's unigram model: from the most frequent substrings (by frequency times length), rounds of
 * expectation-maximisation and prunings of the pieces whose loss costs least likelihood, until a tenth more than the
 * vocabulary is left; then the best of them and all characters of the alphabet. Scores are log probabilities, highest
 * first.
 */
export function learnUnigramPieces(options: LearnUnigramOptions): Piece[] {
  const { words, alphabet } = options;
  const rules = new PieceRules(alphabet.codePoints, options.rules);
  const pool = poolWords(words, alphabet, 1);
  const intervals = findSuffixIntervals(pool, options.rules.maxPieceLength, (start, end) =>
    rules.allowsRun(pool.symbols, start, end),
  );
  const seeds = chooseSeeds(intervals, options.seedSize);
  const lattice = new UnigramLattice(pool, alphabet.codePoints.length, intervals, seeds);
  let scores = seedScores(alphabet, intervals, seeds);
  const wanted = Math.floor(options.vocabSize * SURPLUS);
  for (let round = 1; ; round++) {
    for (let step = 0; step < options.numSubIterations; step++) {
      scores = maximise(lattice, lattice.expectedCounts(probabilities(scores), unknownProbability(scores)));
    }
    scores = prune(lattice, scores, Math.max(wanted, Math.floor(options.shrinkingFactor * sizeOf(scores))));
    const size = sizeOf(scores);
    options.onProgress?.(round, size);
    if (size <= wanted) break;
  }
  scores = dropUnreachable(lattice, scores);
  return finalPieces(lattice, scores, alphabet, options.numPieces);
}

/** The intervals of highest frequency times length; of equal ones those found first. */
function chooseSeeds(intervals: SuffixIntervals, seedSize: number): Int32Array {
  const { count, frequency, length } = intervals;
  const score = (interval: number): number => frequency[interval]! * length[interval]!;
  return highest(
    Float64Array.from({ length: count }, (_, interval) => score(interval)),
    seedSize,
  );
}

/** Indices of the `limit` highest values, in rising order; of equal values the first ones. */
function highest(values: Float64Array, limit: number): Int32Array {
  if (values.length <= limit) return Int32Array.from(values.keys());
  const threshold = Float64Array.from(values).sort()[values.length - limit]!;
  let above = 0;
  for (const value of values) if (value > threshold) above += 1;
  let equals = limit - above;
  const chosen = new Int32Array(limit);
  let at = 0;
  for (const [index, value] of values.entries()) {
    if (value > threshold || (value === threshold && equals-- > 0)) chosen[at++] = index;
  }
  return chosen;
}

function seedScores(alphabet: Alphabet, intervals: SuffixIntervals, seeds: Int32Array): PieceValues {
  const characters = Float64Array.from(alphabet.counts);
  const pieces = Float64Array.from(
    seeds,
    (interval) => intervals.frequency[interval]! * intervals.length[interval]!,
  );
  const total = Math.log(sum(characters) + sum(pieces));
  return {
    characters: characters.map((value) => (value > 0 ? Math.log(value) - total : 0)),
    pieces: pieces.map((value) => Math.log(value) - total),
  };
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Characters with a score, and pieces. A character without one has the score 0. */
function sizeOf({ characters, pieces }: PieceValues): number {
  let size = pieces.length;
  for (const score of characters) if (score !== 0) size += 1;
  return size;
}

function probabilities({ characters, pieces }: PieceValues): PieceValues {
  return {
    characters: characters.map((score) => (score === 0 ? 0 : Math.exp(score))),
    pieces: pieces.map((score) => Math.exp(score)),
  };
}

function worstScore({ characters, pieces }: PieceValues): number {
  let worst = 0;
  for (const score of characters) if (score < worst) worst = score;
  for (const score of pieces) if (score < worst) worst = score;
  return worst;
}

function unknownProbability(scores: PieceValues): number {
  return Math.exp(worstScore(scores) - UNKNOWN_PENALTY);
}

/** New scores by expected counts; the digamma function in the logarithm's place makes rare pieces rarer still. */
function maximise(lattice: UnigramLattice, expected: PieceValues): PieceValues {
  const keep = expected.pieces.map((count) => (count >= MIN_EXPECTED ? 1 : 0));
  const characters = expected.characters.map((count) => (count >= MIN_EXPECTED ? count : 0));
  const pieces = expected.pieces.filter((count) => count >= MIN_EXPECTED);
  lattice.keep(Uint8Array.from(keep));
  const total = digamma(sum(characters) + sum(pieces));
  return {
    characters: characters.map((count) => (count > 0 ? digamma(count) - total : 0)),
    pieces: pieces.map((count) => digamma(count) - total),
  };
}

/** By recurrence to 7 and more, then the asymptotic series around x - 1/2. */
function digamma(argument: number): number {
  let x = argument;
  let result = 0;
  for (; x < 7; x++) result -= 1 / x;
  x -= 0.5;
  const inverse2 = 1 / (x * x);
  const inverse4 = inverse2 * inverse2;
  return (
    result +
    Math.log(x) +
    inverse2 / 24 -
    (7 / 960) * inverse4 +
    (31 / 8064) * inverse4 * inverse2 -
    (127 / 30720) * inverse4 * inverse4
  );
}

/**
 * Keeps `limit` pieces: those without which the likelihood would fall most, if each place of a piece were cut the next
 * best way. Pieces that the best cuts never use go anyway.
 */
function prune(lattice: UnigramLattice, scores: PieceValues, limit: number): PieceValues {
  const used = lattice.bestCounts(scores, worstScore(scores) - UNKNOWN_PENALTY);
  const total = sum(used.characters) + sum(used.pieces);
  const logTotal = Math.log(total);
  const characters = scores.characters.map((score, symbol) => (used.characters[symbol]! > 0 ? score : 0));
  const losses = new Float64Array(scores.pieces.length).fill(Number.NEGATIVE_INFINITY);
  let always = 0;
  for (const score of characters) if (score !== 0) always += 1;
  for (let piece = 0; piece < losses.length; piece++) {
    const count = used.pieces[piece]!;
    if (count === 0) continue;
    const { score, parts } = lattice.alternative(piece, scores);
    if (score > scores.pieces[piece]!) continue; // its own text is cut better another way
    if (parts.length === 0) {
      losses[piece] = Number.POSITIVE_INFINITY;
      continue;
    }
    const logTotalWithout = Math.log(total + count * (parts.length - 1));
    let without = 0;
    for (const part of parts) {
      const own = part >= 0 ? used.pieces[part]! : used.characters[-1 - part]!;
      without += Math.log(own + count) - logTotalWithout;
    }
    losses[piece] = (count / total) * (Math.log(count) - logTotal - without);
  }
  const keep = new Uint8Array(losses.length);
  for (const piece of highest(losses, Math.max(limit - always, 0))) {
    if (losses[piece] !== Number.NEGATIVE_INFINITY) keep[piece] = 1;
  }
  lattice.keep(keep);
  return { characters, pieces: scores.pieces.filter((_, piece) => keep[piece] === 1) };
}

/** Pieces whose own text is cut better without them could never be found in a text. */
function dropUnreachable(lattice: UnigramLattice, scores: PieceValues): PieceValues {
  const keep = new Uint8Array(scores.pieces.length);
  for (let piece = 0; piece < keep.length; piece++) {
    if (lattice.alternative(piece, scores).score <= scores.pieces[piece]!) keep[piece] = 1;
  }
  lattice.keep(keep);
  return { characters: scores.characters, pieces: scores.pieces.filter((_, piece) => keep[piece] === 1) };
}

/** All characters and the best pieces, by score; of equal scores the smaller text. */
function finalPieces(
  lattice: UnigramLattice,
  scores: PieceValues,
  alphabet: Alphabet,
  numPieces: number,
): Piece[] {
  const worst = worstScore(scores);
  const final: Piece[] = [];
  let penalty = 0;
  for (const codePoint of alphabet.byFrequency) {
    let score = scores.characters[alphabet.symbolOf[codePoint]!]!;
    if (score === 0) {
      score = worst + penalty;
      penalty += PENALTY_STEP;
    }
    final.push({ text: String.fromCodePoint(codePoint), score: Math.fround(score), type: 'normal' });
  }
  const room = Math.max(numPieces - final.length, 0);
  for (const piece of highest(Float64Array.from(scores.pieces), room)) {
    const text = Array.from(lattice.text(piece), (symbol) =>
      String.fromCodePoint(alphabet.codePoints[symbol]!),
    );
    final.push({ text: text.join(''), score: Math.fround(scores.pieces[piece]!), type: 'normal' });
  }
  return final.sort((a, b) => b.score - a.score || (a.text < b.text ? -1 : 1));
}
