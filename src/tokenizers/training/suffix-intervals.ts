/** Substrings that occur again and again, found by sorting all suffixes of a pool of words. */
import type { WordPool } from './alphabet.js';

/** Suffixes in order: `places[first..last]` all begin with the same `length` symbols. */
export interface SuffixIntervals {
  readonly places: Int32Array;
  readonly count: number;
  readonly first: Int32Array;
  readonly last: Int32Array;
  readonly length: Uint16Array;
  /** How often the substring occurs: the sum of the counts of its words. */
  readonly frequency: Float64Array;
}

/**
 * The substrings of 2 to `maxLength` symbols that occur at least twice and that no longer substring always replaces: the
 * inner nodes of the suffix tree, and the ends of words that occur more than once.
 * @param isWanted whether a run of symbols may be a piece at all.
 */
export function findSuffixIntervals(
  pool: WordPool,
  maxLength: number,
  isWanted: (start: number, end: number) => boolean,
): SuffixIntervals {
  const { symbols, counts } = pool;
  const places = sortSuffixes(symbols, maxLength + 1);
  const shared = sharedLengths(symbols, places, maxLength + 1);
  const found = new IntervalList();
  const weightBefore = new Float64Array(places.length + 1);
  for (let index = 0; index < places.length; index++) {
    weightBefore[index + 1] = weightBefore[index]! + counts[places[index]!]!;
  }
  const add = (first: number, last: number, length: number): void => {
    const frequency = weightBefore[last + 1]! - weightBefore[first]!;
    if (length < 2 || length > maxLength || frequency < 2) return;
    const at = places[first]!;
    if (isWanted(at, at + length)) found.add(first, last, length, frequency);
  };
  // The intervals that are open at a position of the order, by rising length.
  const starts = [0];
  const lengths = [0];
  for (let index = 1; index <= places.length; index++) {
    const length = index < places.length ? shared[index]! : 0;
    addWordEnd(index - 1, Math.max(shared[index - 1]!, length));
    let start = index - 1;
    while (length < lengths.at(-1)!) {
      const closed = lengths.pop()!;
      start = starts.pop()!;
      add(start, index - 1, closed);
    }
    if (length > lengths.at(-1)!) {
      lengths.push(length);
      starts.push(start);
    }
  }
  return found.finish(places);

  /** The rest of a word behind what it shares with its neighbours, if the word itself occurs again. */
  function addWordEnd(index: number, sharedLength: number): void {
    const at = places[index]!;
    if (counts[at]! < 2 || sharedLength > maxLength) return;
    let length = 0;
    while (length <= maxLength && symbols[at + length] !== 0) length += 1;
    if (length > sharedLength) add(index, index, length);
  }
}

class IntervalList {
  #count = 0;
  #first = new Int32Array(1024);
  #last = new Int32Array(1024);
  #length = new Uint16Array(1024);
  #frequency = new Float64Array(1024);

  add(first: number, last: number, length: number, frequency: number): void {
    if (this.#count === this.#first.length) this.#grow();
    this.#first[this.#count] = first;
    this.#last[this.#count] = last;
    this.#length[this.#count] = length;
    this.#frequency[this.#count++] = frequency;
  }

  finish(places: Int32Array): SuffixIntervals {
    return {
      places,
      count: this.#count,
      first: this.#first,
      last: this.#last,
      length: this.#length,
      frequency: this.#frequency,
    };
  }

  #grow(): void {
    const size = this.#count * 2;
    const first = new Int32Array(size);
    const last = new Int32Array(size);
    const length = new Uint16Array(size);
    const frequency = new Float64Array(size);
    first.set(this.#first);
    last.set(this.#last);
    length.set(this.#length);
    frequency.set(this.#frequency);
    this.#first = first;
    this.#last = last;
    this.#length = length;
    this.#frequency = frequency;
  }
}

/** The places of all symbols but 0, ordered by the `depth` symbols from there on: prefix doubling by counting sorts. */
function sortSuffixes(symbols: Int32Array, depth: number): Int32Array {
  const size = symbols.length;
  let rank = Int32Array.from(symbols);
  let nextRank = new Int32Array(size);
  let order = new Int32Array(size);
  let nextOrder = new Int32Array(size);
  for (let position = 0; position < size; position++) nextOrder[position] = position;
  countingSort(nextOrder, rank, order);
  let classes = rankByOrder(order, rank, nextRank, 0);
  [rank, nextRank] = [nextRank, rank];
  for (let width = 1; width < depth && classes < size; width *= 2) {
    let at = 0;
    for (let position = size - width; position < size; position++) nextOrder[at++] = position;
    for (let index = 0; index < size; index++) {
      const position = order[index]! - width;
      if (position >= 0) nextOrder[at++] = position;
    }
    countingSort(nextOrder, rank, order);
    classes = rankByOrder(order, rank, nextRank, width);
    [rank, nextRank] = [nextRank, rank];
  }
  let zeros = 0;
  while (zeros < size && symbols[order[zeros]!] === 0) zeros += 1;
  const places = order.subarray(zeros);
  order = new Int32Array(0);
  nextOrder = order;
  return places;
}

/** Orders `from` by `rank`, keeping the order of equals. */
function countingSort(from: Int32Array, rank: Int32Array, to: Int32Array): void {
  let largest = 0;
  for (let index = 0; index < rank.length; index++) if (rank[index]! > largest) largest = rank[index]!;
  const ends = new Int32Array(largest + 2);
  for (let index = 0; index < rank.length; index++) ends[rank[index]! + 1]! += 1;
  for (let value = 0; value <= largest; value++) ends[value + 1]! += ends[value]!;
  for (let index = 0; index < from.length; index++) {
    const position = from[index]!;
    to[ends[rank[position]!]!++] = position;
  }
}

/** Ranks from 0 by the pair (rank here, rank `width` further on); equal pairs share one. Returns how many there are. */
function rankByOrder(order: Int32Array, rank: Int32Array, out: Int32Array, width: number): number {
  let current = 0;
  for (let index = 0; index < order.length; index++) {
    const position = order[index]!;
    if (index > 0) {
      const other = order[index - 1]!;
      const differs =
        rank[position] !== rank[other] ||
        (width > 0 && (rank[position + width] ?? -1) !== (rank[other + width] ?? -1));
      if (differs) current += 1;
    }
    out[position] = current;
  }
  return current + 1;
}

/** How many symbols a suffix shares with the one before it in the order, within their words and up to `limit`. */
function sharedLengths(symbols: Int32Array, places: Int32Array, limit: number): Uint16Array {
  const shared = new Uint16Array(places.length + 1);
  for (let index = 1; index < places.length; index++) {
    const a = places[index - 1]!;
    const b = places[index]!;
    let length = 0;
    while (length < limit && symbols[a + length] === symbols[b + length] && symbols[a + length] !== 0) {
      length += 1;
    }
    shared[index] = length;
  }
  return shared;
}
