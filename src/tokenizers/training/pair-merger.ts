/** Byte-pair learning: finds and merges the most frequent pair, again and again. */
import { NO_MERGE, PairTable } from '../pair-table.js';
import type { WordPool } from './alphabet.js';
import { PairQueue } from './pair-queue.js';

/** What tells one kind of byte-pair learning from another. */
export interface MergeRules {
  /** Whether two symbols may become one. Asked once for each pair. */
  allows(left: number, right: number): boolean;
  /** Of two pairs of equal frequency: whether the first is merged first. `at` is a place where the pair stands. */
  precedes(a: PairView, b: PairView): boolean;
  /** The symbol that the pair becomes: the next new one, or an old one of the same text; -1 to leave the pair alone. */
  symbolOf(left: number, right: number): number;
}

export interface PairView {
  readonly left: number;
  readonly right: number;
  /** A place in the pool where the pair has stood. */
  readonly at: number;
}

export interface MergedPair {
  readonly left: number;
  readonly right: number;
  readonly symbol: number;
  readonly count: number;
}

const DISALLOWED = -1;
const UNKNOWN = -2;
/** Marks places within a symbol. */
const INSIDE = -1;

/**
 * Byte-pair learning over a pool of words: each call of `next` merges the most frequent pair of neighbours.
 *
 * A symbol of several characters stands in its first place and in its last; so the neighbours of a place are found
 * without links. All places of a pair come into being in one step, the one that makes the younger of its two symbols,
 * and are kept one behind the other; those that are gone meanwhile are noticed when the pair is merged.
 */
export class PairMerger {
  readonly #rules: MergeRules;
  readonly #symbols: Int32Array;
  readonly #weights: Uint32Array;
  readonly #index: PairTable;
  readonly #queue: PairQueue;
  #lengths: Int32Array;
  #numPairs = 0;
  #left = new Int32Array(1024);
  #right = new Int32Array(1024);
  #counts = new Float64Array(1024);
  /** Places of pair p: `#places` from `#placeStart[p]` to `#placeEnd[p]`. */
  #placeStart = new Float64Array(1024);
  #placeEnd = new Float64Array(1024);
  #places: Int32Array;
  #numPlaces = 0;
  /** New places of the present step: pair and place. */
  #newPairs = new Int32Array(1024);
  #newPlaces = new Int32Array(1024);
  #numNew = 0;
  /** Pairs that occur less often when they come up are forgotten. */
  readonly #minCount: number;
  /** Pairs of the present step by their other symbol: (x, left), (x, merged), (right, x), (merged, x). */
  readonly #known: readonly [Int32Array, Int32Array, Int32Array, Int32Array];
  readonly #touched: number[] = [];

  /**
   * @param pool is used up.
   * @param maxSymbols bounds the symbols that `rules` makes, 0 and the base ones included.
   * @param minCount above 1 forgets rarer pairs, which saves most of the work; `next` then must not be asked for them,
   *   and `rules` must make a new symbol of every pair.
   */
  constructor(pool: WordPool, rules: MergeRules, maxSymbols: number, minCount = 1) {
    this.#rules = rules;
    this.#minCount = minCount;
    // Room enough from the start: a text has a new pair at every few places, up to a million or so.
    this.#index = new PairTable(Math.min(2 ** 20, pool.symbols.length >> 2));
    this.#symbols = pool.symbols;
    this.#weights = pool.counts;
    this.#lengths = new Int32Array(maxSymbols + 1).fill(1);
    const scratch = (): Int32Array => new Int32Array(maxSymbols + 1).fill(UNKNOWN);
    this.#known = [scratch(), scratch(), scratch(), scratch()];
    this.#queue = new PairQueue({
      count: (pair) => this.#counts[pair]!,
      precedes: (a, b) => rules.precedes(this.#view(a), this.#view(b)),
    });
    this.#places = new Int32Array(0);
    this.#countPairs();
  }

  /** Merges the most frequent pair; undefined if none is left that occurs `minCount` times. */
  next(minCount = this.#minCount): MergedPair | undefined {
    for (;;) {
      const pair = this.#queue.pop();
      if (pair < 0) return undefined;
      const count = this.#counts[pair]!;
      if (count < minCount) return undefined;
      const left = this.#left[pair]!;
      const right = this.#right[pair]!;
      const symbol = this.#rules.symbolOf(left, right);
      if (symbol < 0) {
        this.#counts[pair] = 0;
        continue;
      }
      this.#merge(pair, symbol);
      return { left, right, symbol, count };
    }
  }

  /** Pairs that have stood in the text and stand there no more, those that were merged among them. */
  faded(): PairView[] {
    const pairs: PairView[] = [];
    for (let pair = 0; pair < this.#numPairs; pair++)
      if (this.#counts[pair]! <= 0) pairs.push(this.#view(pair));
    return pairs;
  }

  #view(pair: number): PairView {
    return {
      left: this.#left[pair]!,
      right: this.#right[pair]!,
      at: this.#places[this.#placeStart[pair]!]!,
    };
  }

  #countPairs(): void {
    const symbols = this.#symbols;
    const pairAt = new Int32Array(symbols.length).fill(DISALLOWED);
    let sizes = new Int32Array(1024);
    let total = 0;
    for (let at = 0; at + 1 < symbols.length; at++) {
      const left = symbols[at]!;
      const right = symbols[at + 1]!;
      if (left === 0 || right === 0) continue;
      const pair = this.#pairOf(left, right);
      if (pair < 0) continue;
      pairAt[at] = pair;
      this.#counts[pair]! += this.#weights[at]!;
      if (pair >= sizes.length) sizes = grownTo(sizes, pair + 1);
      sizes[pair]! += 1;
      total += 1;
    }
    this.#places = new Int32Array(total + (total >> 1) + 1024);
    let start = 0;
    for (let pair = 0; pair < this.#numPairs; pair++) {
      this.#placeStart[pair] = start;
      this.#placeEnd[pair] = start;
      if (this.#counts[pair]! >= this.#minCount) start += sizes[pair]!;
    }
    for (let at = 0; at < pairAt.length; at++) {
      const pair = pairAt[at]!;
      if (pair < 0 || this.#counts[pair]! < this.#minCount) continue;
      this.#places[this.#placeEnd[pair]!++] = at;
    }
    this.#numPlaces = start;
    for (let pair = 0; pair < this.#numPairs; pair++) {
      if (this.#counts[pair]! >= this.#minCount) this.#queue.push(pair);
    }
  }

  #merge(pair: number, symbol: number): void {
    const symbols = this.#symbols;
    const lengths = this.#lengths;
    const left = this.#left[pair]!;
    const right = this.#right[pair]!;
    const leftLength = lengths[left]!;
    const length = leftLength + lengths[right]!;
    lengths[symbol] = length;
    const [beforeLeft, beforeMerged, behindRight, behindMerged] = this.#known;
    const firstNewPair = this.#numPairs;
    const isNew = this.#minCount > 1;
    this.#numNew = 0;
    const end = this.#placeEnd[pair]!;
    for (let index = this.#placeStart[pair]!; index < end; index++) {
      const at = this.#places[index]!;
      if (symbols[at] !== left || symbols[at + leftLength] !== right) continue;
      const weight = this.#weights[at]!;
      const before = symbols[at - 1]!;
      const behind = symbols[at + length]!;
      // A neighbour that was merged in this step already has its pair in the lists of this step only.
      if (isNew && before === symbol) this.#dropNew(behindMerged[left]!, weight);
      else if (before > 0) this.#drop(beforeLeft, before, before, left, pair, weight);
      if (isNew && behind === symbol) this.#dropNew(beforeMerged[right]!, weight);
      else if (behind > 0) this.#drop(behindRight, behind, right, behind, pair, weight);
      symbols[at + leftLength] = INSIDE;
      symbols[at] = symbol;
      symbols[at + length - 1] = symbol;
      if (before > 0) this.#gain(beforeMerged, before, before, symbol, weight, at - lengths[before]!);
      if (behind > 0) this.#gain(behindMerged, behind, symbol, behind, weight, at);
    }
    this.#counts[pair] = 0;
    for (const other of this.#touched) for (const known of this.#known) known[other] = UNKNOWN;
    this.#touched.length = 0;
    if (isNew) this.#forgetRarePairs(firstNewPair);
    this.#filePlaces(firstNewPair);
  }

  #dropNew(pair: number, weight: number): void {
    if (pair >= 0) this.#counts[pair]! -= weight;
  }

  /** A pair is gone at one place. */
  #drop(known: Int32Array, other: number, left: number, right: number, merged: number, weight: number): void {
    let pair = known[other]!;
    if (pair === UNKNOWN) {
      const handle = this.#index.find(left, right);
      pair = this.#remember(known, other, handle < 0 ? DISALLOWED : this.#index.merged(handle));
    }
    if (pair >= 0 && pair !== merged) this.#counts[pair]! -= weight;
  }

  /** A pair has come up at one place. */
  #gain(known: Int32Array, other: number, left: number, right: number, weight: number, at: number): void {
    let pair = known[other]!;
    if (pair === UNKNOWN) {
      const found = this.#minCount > 1 ? this.#newPair(left, right) : this.#pairOf(left, right);
      pair = this.#remember(known, other, found);
    }
    if (pair < 0) return;
    this.#counts[pair]! += weight;
    if (this.#numNew === this.#newPairs.length) {
      this.#newPairs = grownTo(this.#newPairs, this.#numNew * 2);
      this.#newPlaces = grownTo(this.#newPlaces, this.#numNew * 2);
    }
    this.#newPairs[this.#numNew] = pair;
    this.#newPlaces[this.#numNew++] = at;
  }

  #remember(known: Int32Array, other: number, pair: number): number {
    known[other] = pair;
    this.#touched.push(other);
    return pair;
  }

  /** The number of a pair, made if it is new; DISALLOWED if it may not merge. */
  #pairOf(left: number, right: number): number {
    const handle = this.#index.find(left, right);
    if (handle >= 0) return this.#index.merged(handle);
    const pair = this.#newPair(left, right);
    this.#index.set(left, right, NO_MERGE, pair);
    return pair;
  }

  /** The number of a pair that has come up for the first time, not yet in the index. */
  #newPair(left: number, right: number): number {
    if (!this.#rules.allows(left, right)) return DISALLOWED;
    const pair = this.#numPairs++;
    if (pair === this.#left.length) {
      this.#left = grownTo(this.#left, pair * 2);
      this.#right = grownTo(this.#right, pair * 2);
      this.#counts = grownFloats(this.#counts, pair * 2);
      this.#placeStart = grownFloats(this.#placeStart, pair * 2);
      this.#placeEnd = grownFloats(this.#placeEnd, pair * 2);
    }
    this.#left[pair] = left;
    this.#right[pair] = right;
    this.#counts[pair] = 0;
    return pair;
  }

  /** Keeps the new pairs that are frequent enough, numbered anew, and only their places. */
  #forgetRarePairs(firstNewPair: number): void {
    const renumbered = new Int32Array(this.#numPairs - firstNewPair).fill(DISALLOWED);
    let kept = firstNewPair;
    for (let pair = firstNewPair; pair < this.#numPairs; pair++) {
      const count = this.#counts[pair]!;
      if (count < this.#minCount) continue;
      const left = this.#left[pair]!;
      const right = this.#right[pair]!;
      this.#left[kept] = left;
      this.#right[kept] = right;
      this.#counts[kept] = count;
      this.#index.set(left, right, NO_MERGE, kept);
      renumbered[pair - firstNewPair] = kept++;
    }
    this.#numPairs = kept;
    let numNew = 0;
    for (let index = 0; index < this.#numNew; index++) {
      const pair = renumbered[this.#newPairs[index]! - firstNewPair]!;
      if (pair < 0) continue;
      this.#newPairs[numNew] = pair;
      this.#newPlaces[numNew++] = this.#newPlaces[index]!;
    }
    this.#numNew = numNew;
  }

  /** Sorts the new places by pair, behind all others; lists the pairs by count. */
  #filePlaces(firstNewPair: number): void {
    const total = this.#numNew;
    const pairs = this.#newPairs;
    const older = new Set<number>();
    this.#placeEnd.fill(0, firstNewPair, this.#numPairs);
    for (let index = 0; index < total; index++) {
      const pair = pairs[index]!;
      if (pair < firstNewPair) older.add(pair);
      else this.#placeEnd[pair]! += 1;
    }
    let start = this.#numPlaces;
    for (let pair = firstNewPair; pair < this.#numPairs; pair++) {
      const size = this.#placeEnd[pair]!;
      this.#placeStart[pair] = start;
      this.#placeEnd[pair] = start;
      start += size;
    }
    this.#reservePlaces(start);
    this.#numPlaces = start;
    for (let index = 0; index < total; index++) {
      const pair = pairs[index]!;
      if (pair >= firstNewPair) this.#places[this.#placeEnd[pair]!++] = this.#newPlaces[index]!;
    }
    for (const pair of older) this.#movePlaces(pair);
    for (let pair = firstNewPair; pair < this.#numPairs; pair++) this.#queue.push(pair);
  }

  /** An older pair came up again, since its symbol can be made in two ways: its places go behind all others. */
  #movePlaces(pair: number): void {
    const places = [...this.#places.subarray(this.#placeStart[pair]!, this.#placeEnd[pair]!)];
    for (let index = 0; index < this.#numNew; index++) {
      if (this.#newPairs[index] === pair) places.push(this.#newPlaces[index]!);
    }
    this.#reservePlaces(this.#numPlaces + places.length);
    this.#places.set(places, this.#numPlaces);
    this.#placeStart[pair] = this.#numPlaces;
    this.#numPlaces += places.length;
    this.#placeEnd[pair] = this.#numPlaces;
    this.#queue.push(pair);
  }

  #reservePlaces(size: number): void {
    if (size > this.#places.length) this.#places = grownTo(this.#places, size + (size >> 1));
  }
}

function grownTo(array: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(Math.max(size, array.length * 2));
  copy.set(array);
  return copy;
}

function grownFloats(array: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const copy = new Float64Array(Math.max(size, array.length * 2));
  copy.set(array);
  return copy;
}
