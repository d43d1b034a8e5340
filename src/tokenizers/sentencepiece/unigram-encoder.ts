/** SentencePiece's unigram encoder (Viterbi). */
import { Trie } from '../trie.js';
import { isMatchable } from './model-file.js';
import type { PieceEncoder, PieceVocabulary } from './piece-vocabulary.js';

/** float32's largest number: the worst score where there is no normal piece. */
const FLOAT_MAX = 3.4028234663852886e38;
/** Sums beyond this are brought back to zero, since float32 would lose the small differences. */
const SCORE_RESET = 100_000;
/** How much worse than the worst piece an unknown character scores. */
const UNKNOWN_PENALTY = 10;

/**
 * SentencePiece's unigram model: the segmentation of greatest score sum. As in its release 0.2.3, sums are
 * float32 and of equal sums the one found first, with the longer last piece, stays.
 */
export class UnigramEncoder implements PieceEncoder {
  readonly #vocabulary: PieceVocabulary;
  readonly #trie = new Trie();
  readonly #scores: Float32Array;
  readonly #unknownScore: number;
  #bestScore = new Float32Array(256);
  #bestId = new Int32Array(256);
  #bestStart = new Int32Array(256);

  constructor(vocabulary: PieceVocabulary) {
    this.#vocabulary = vocabulary;
    const { pieces } = vocabulary.model;
    const normalScores = pieces.filter((piece) => piece.type === 'normal').map((piece) => piece.score);
    const worst = normalScores.reduce((a, b) => Math.min(a, b), FLOAT_MAX);
    this.#unknownScore = Math.fround(worst - UNKNOWN_PENALTY);
    this.#scores = new Float32Array(pieces.length);
    for (const [id, { text, score, type }] of pieces.entries()) {
      // Better than any learnt piece, whose score is a negative log probability; longer ones better still.
      this.#scores[id] = type === 'user-defined' ? 0.1 * (Buffer.byteLength(text) - 1) : score;
      if (isMatchable(type) && type !== 'unused') this.#trie.add(text, id);
    }
  }

  encode(normalized: string, out: number[]): void {
    const size = normalized.length;
    if (size === 0) return;
    this.#reserve(size + 1);
    const trie = this.#trie;
    const scores = this.#scores;
    const bestScore = this.#bestScore;
    const bestId = this.#bestId;
    const bestStart = this.#bestStart.fill(-1, 0, size + 1);
    bestScore[0] = 0;
    let frontier = 0;
    const offer = (end: number, score: number, start: number, id: number) => {
      if (end > frontier) frontier = end;
      if (bestStart[end] !== -1 && score <= bestScore[end]!) return;
      bestScore[end] = score;
      bestStart[end] = start;
      bestId[end] = id;
    };
    for (let start = 0; start < size; ) {
      const characterEnd = start + (normalized.codePointAt(start)! > 0xffff ? 2 : 1);
      if (Math.abs(bestScore[start]!) > SCORE_RESET) {
        const offset = bestScore[start]!;
        for (let end = start; end <= frontier; end++) bestScore[end]! -= offset;
      }
      const scoreHere = bestScore[start]!;
      let covered = false;
      let node = 0;
      for (let end = start; end < size; ) {
        node = trie.step(node, normalized.charCodeAt(end++));
        if (node < 0) break;
        const id = trie.valueAt(node);
        if (id < 0) continue;
        offer(end, Math.fround(scores[id]! + scoreHere), start, id);
        if (end === characterEnd) covered = true;
      }
      if (!covered)
        offer(characterEnd, Math.fround(this.#unknownScore + scoreHere), start, this.#vocabulary.unkId);
      start = characterEnd;
    }
    this.#appendBest(normalized, out);
  }

  #appendBest(normalized: string, out: number[]): void {
    const starts: number[] = [];
    for (let end = normalized.length; end > 0; end = this.#bestStart[end]!) starts.push(end);
    const runStart = out.length;
    const { unkId } = this.#vocabulary;
    for (const end of starts.reverse()) {
      const id = this.#bestId[end]!;
      if (id !== unkId) out.push(id);
      else this.#vocabulary.appendUnknown(normalized.codePointAt(this.#bestStart[end]!)!, out, runStart);
    }
  }

  #reserve(length: number): void {
    if (this.#bestScore.length >= length) return;
    this.#bestScore = new Float32Array(length * 2);
    this.#bestId = new Int32Array(length * 2);
    this.#bestStart = new Int32Array(length * 2);
  }
}
