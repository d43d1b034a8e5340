/** The unigram model over a pool of words: which pieces begin where, and sums over all ways to cut the words. */
import type { WordPool } from './alphabet.js';
import type { SuffixIntervals } from './suffix-intervals.js';

/** Characters of the alphabet and longer pieces: [by symbol, by piece]. */
export interface PieceValues {
  readonly characters: Float64Array;
  readonly pieces: Float64Array;
}

/** Forward sums below this are multiplied by SCALE, so that long words do not underflow. */
const SMALL = 1e-150;
const SCALE = 1e150;

/**
 * For each position of the pool the pieces that begin there, shortest first. Pieces only ever go, so they are found once,
 * and the lists shrink with the vocabulary.
 */
export class UnigramLattice {
  readonly #symbols: Int32Array;
  readonly #counts: Uint32Array;
  readonly #numSymbols: number;
  /** `#matches` from `#starts[position]` to `#starts[position + 1]`. */
  #starts: Uint32Array;
  #matches: Int32Array;
  /** Characters of each piece, and a position where it stands. */
  #lengths: Uint16Array;
  #places: Int32Array;
  readonly #longestWord: number;

  /** @param chosen the intervals that are pieces; they get the numbers 0, 1, … in this order. */
  constructor(pool: WordPool, numSymbols: number, intervals: SuffixIntervals, chosen: Int32Array) {
    this.#symbols = pool.symbols;
    this.#counts = pool.counts;
    this.#numSymbols = numSymbols;
    this.#lengths = Uint16Array.from(chosen, (interval) => intervals.length[interval]!);
    this.#places = Int32Array.from(chosen, (interval) => intervals.places[intervals.first[interval]!]!);
    const starts = new Uint32Array(pool.symbols.length + 1);
    const eachPosition = (visit: (position: number, piece: number) => void): void => {
      // By rising length, so that each position's list is in order.
      const byLength = Int32Array.from(chosen.keys()).sort((a, b) => this.#lengths[a]! - this.#lengths[b]!);
      for (const piece of byLength) {
        const interval = chosen[piece]!;
        const last = intervals.last[interval]!;
        for (let index = intervals.first[interval]!; index <= last; index++)
          visit(intervals.places[index]!, piece);
      }
    };
    for (const interval of chosen) {
      const last = intervals.last[interval]!;
      for (let index = intervals.first[interval]!; index <= last; index++)
        starts[intervals.places[index]! + 1]! += 1;
    }
    for (let position = 0; position < pool.symbols.length; position++)
      starts[position + 1]! += starts[position]!;
    this.#starts = starts;
    this.#matches = new Int32Array(starts.at(-1)!);
    const next = Uint32Array.from(starts);
    eachPosition((position, piece) => {
      this.#matches[next[position]!++] = piece;
    });
    this.#longestWord = longestRun(pool.symbols);
  }

  get numPieces(): number {
    return this.#lengths.length;
  }

  /** Symbols of a piece. */
  text(piece: number): Int32Array {
    const position = this.#places[piece]!;
    return this.#symbols.subarray(position, position + this.#lengths[piece]!);
  }

  /** Keeps the pieces marked 1 and numbers them anew, in the same order. */
  keep(marks: Uint8Array): void {
    const renumbered = new Int32Array(marks.length).fill(-1);
    let kept = 0;
    for (let piece = 0; piece < marks.length; piece++) if (marks[piece] === 1) renumbered[piece] = kept++;
    const lengths = new Uint16Array(kept);
    const places = new Int32Array(kept);
    for (let piece = 0; piece < marks.length; piece++) {
      const number = renumbered[piece]!;
      if (number < 0) continue;
      lengths[number] = this.#lengths[piece]!;
      places[number] = this.#places[piece]!;
    }
    this.#lengths = lengths;
    this.#places = places;
    const starts = this.#starts;
    const matches = this.#matches;
    let write = 0;
    let from = 0;
    for (let position = 0; position + 1 < starts.length; position++) {
      const end = starts[position + 1]!;
      for (let index = from; index < end; index++) {
        const number = renumbered[matches[index]!]!;
        if (number >= 0) matches[write++] = number;
      }
      starts[position + 1] = write;
      from = end;
    }
  }

  /**
   * How often each piece is expected over all ways to cut the words (forward-backward algorithm).
   * @param probabilities 0 for a character that is no piece; it then counts with `unknown`.
   */
  expectedCounts(probabilities: PieceValues, unknown: number): PieceValues {
    const expected = this.#zeros();
    const size = this.#longestWord + 1;
    const forward = new Float64Array(size);
    const backward = new Float64Array(size);
    const forwardScale = new Int32Array(size);
    this.#eachWord((start, length) => {
      const symbols = this.#symbols;
      const starts = this.#starts;
      const matches = this.#matches;
      const lengths = this.#lengths;
      const { characters, pieces } = probabilities;
      const weight = this.#counts[start]!;
      forward.fill(0, 0, length + 1);
      backward.fill(0, 0, length + 1);
      forward[0] = 1;
      let scale = 0;
      for (let at = 0; at < length; at++) {
        if (forward[at]! < SMALL) {
          for (let index = at; index <= length; index++) forward[index]! *= SCALE;
          scale += 1;
        }
        forwardScale[at] = scale;
        const here = forward[at]!;
        forward[at + 1]! += here * (characters[symbols[start + at]!]! || unknown);
        const end = starts[start + at + 1]!;
        for (let index = starts[start + at]!; index < end; index++) {
          const piece = matches[index]!;
          forward[at + lengths[piece]!]! += here * pieces[piece]!;
        }
      }
      const total = weight / forward[length]!;
      const totalScale = scale;
      backward[length] = 1;
      scale = 0;
      for (let at = length - 1; at >= 0; at--) {
        const symbol = symbols[start + at]!;
        const here = forward[at]! * total;
        const own = characters[symbol]!;
        const ownSum = (own || unknown) * backward[at + 1]!;
        let sum = ownSum;
        const excess = totalScale - forwardScale[at]! - scale;
        const rest = excess === 0 ? here : here * SCALE ** excess;
        if (own > 0) expected.characters[symbol]! += rest * ownSum;
        const end = starts[start + at + 1]!;
        for (let index = starts[start + at]!; index < end; index++) {
          const piece = matches[index]!;
          const part = pieces[piece]! * backward[at + lengths[piece]!]!;
          sum += part;
          expected.pieces[piece]! += rest * part;
        }
        backward[at] = sum;
        if (sum < SMALL) {
          for (let index = at; index <= length && index <= at + MAX_REACH; index++) backward[index]! *= SCALE;
          scale += 1;
        }
      }
    });
    return expected;
  }

  /** How often each piece stands in the best way to cut each word (Viterbi algorithm). */
  bestCounts(scores: PieceValues, unknown: number): PieceValues {
    const counts = this.#zeros();
    const best = new Float64Array(this.#longestWord + 1);
    const via = new Int32Array(this.#longestWord + 1);
    this.#eachWord((start, length) => {
      best.fill(Number.NEGATIVE_INFINITY, 0, length + 1);
      best[0] = 0;
      for (let at = 0; at < length; at++) this.#relax(scores, unknown, start, at, length, -1, best, via);
      const weight = this.#counts[start]!;
      for (let at = length; at > 0; ) {
        const piece = via[at]!;
        if (piece >= 0) counts.pieces[piece]! += weight;
        else counts.characters[this.#symbols[start + at - 1]!]! += weight;
        at -= piece >= 0 ? this.#lengths[piece]! : 1;
      }
    });
    return counts;
  }

  /**
   * The best way to cut a piece's own text without the piece: its score, and its parts (pieces, or -1 - symbol for a
   * character). The score is -Infinity where characters are missing.
   */
  alternative(
    piece: number,
    scores: PieceValues,
  ): { readonly score: number; readonly parts: readonly number[] } {
    const length = this.#lengths[piece]!;
    const start = this.#places[piece]!;
    const best = new Float64Array(length + 1).fill(Number.NEGATIVE_INFINITY);
    const via = new Int32Array(length + 1);
    best[0] = 0;
    for (let at = 0; at < length; at++)
      this.#relax(scores, Number.NEGATIVE_INFINITY, start, at, length, piece, best, via);
    const parts: number[] = [];
    if (best[length] === Number.NEGATIVE_INFINITY) return { score: best[length]!, parts };
    for (let at = length; at > 0; ) {
      const part = via[at]!;
      parts.push(part >= 0 ? part : -1 - this.#symbols[start + at - 1]!);
      at -= part >= 0 ? this.#lengths[part]! : 1;
    }
    return { score: best[length]!, parts };
  }

  /** Offers the pieces that begin at one position of a word, but for `without`. */
  #relax(
    scores: PieceValues,
    unknown: number,
    start: number,
    at: number,
    length: number,
    without: number,
    best: Float64Array,
    via: Int32Array,
  ): void {
    const here = best[at]!;
    const own = scores.characters[this.#symbols[start + at]!]!;
    const single = here + (own === 0 ? unknown : own);
    if (single > best[at + 1]!) {
      best[at + 1] = single;
      via[at + 1] = -1;
    }
    const last = this.#starts[start + at + 1]!;
    for (let index = this.#starts[start + at]!; index < last; index++) {
      const piece = this.#matches[index]!;
      const end = at + this.#lengths[piece]!;
      if (end > length) break;
      const score = here + scores.pieces[piece]!;
      if (score <= best[end]! || piece === without) continue;
      best[end] = score;
      via[end] = piece;
    }
  }

  #eachWord(visit: (start: number, length: number) => void): void {
    const symbols = this.#symbols;
    for (let start = 0; start < symbols.length; start++) {
      if (symbols[start] === 0) continue;
      let end = start;
      while (symbols[end] !== 0) end += 1;
      visit(start, end - start);
      start = end;
    }
  }

  #zeros(): PieceValues {
    return { characters: new Float64Array(this.#numSymbols), pieces: new Float64Array(this.numPieces) };
  }
}

/** Longest piece that there may be: how far back sums are still needed. */
const MAX_REACH = 512;

function longestRun(symbols: Int32Array): number {
  let longest = 0;
  let length = 0;
  for (const symbol of symbols) {
    length = symbol === 0 ? 0 : length + 1;
    if (length > longest) longest = length;
  }
  return longest;
}
