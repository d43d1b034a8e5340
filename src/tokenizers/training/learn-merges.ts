import { NO_MERGE, PairTable } from '../pair-table.js';
import { PairHeap } from './pair-heap.js';

/** Two symbols that become one. */
export type Merge = readonly [left: number, right: number];

export interface LearnMergesOptions {
  /** Each word as base symbols, with the number of times it occurs. */
  readonly words: Iterable<readonly [symbols: Int32Array, count: number]>;
  /** Names the symbol that a pair becomes: a new one, or an old one if both spell the same token. */
  readonly symbolOf: (left: number, right: number) => number;
  /** Learning ends when there are so many symbols, the base symbols included. */
  readonly maxSymbols: number;
  readonly numBaseSymbols: number;
  /** A pair that occurs less often is not merged. */
  readonly minFrequency: number;
}

/**
 * Byte-pair learning: merges the most frequent adjacent pair, again and again; of equally frequent pairs the one
 * with the smallest symbols. Pair counts are kept up to date word by word, so that a merge costs only the words
 * that contain it.
 */
export function learnMerges(options: LearnMergesOptions): Merge[] {
  const pairs = new PairCounts();
  const words: Int32Array[] = [];
  const lengths: number[] = [];
  const wordCounts: number[] = [];
  for (const [symbols, count] of options.words) {
    const word = words.push(symbols) - 1;
    lengths.push(symbols.length);
    wordCounts.push(count);
    for (let index = 0; index + 1 < symbols.length; index++) {
      pairs.add(symbols[index]!, symbols[index + 1]!, count, word);
    }
  }
  const heap = new PairHeap((a, b) => pairs.left(a) - pairs.left(b) || pairs.right(a) - pairs.right(b));
  for (const pair of pairs.takeRaised()) heap.push(pair, pairs.count(pair));

  const merges: Merge[] = [];
  let numSymbols = options.numBaseSymbols;
  while (numSymbols < options.maxSymbols) {
    const top = heap.pop();
    if (!top) break;
    const count = pairs.count(top.pair);
    if (count !== top.count) {
      // Counts fall without a new entry; a risen one has its own entry already.
      if (count < top.count && count > 0) heap.push(top.pair, count);
      continue;
    }
    if (count < options.minFrequency) break;
    const merge: Merge = [pairs.left(top.pair), pairs.right(top.pair)];
    merges.push(merge);
    const merged = options.symbolOf(...merge);
    numSymbols = Math.max(numSymbols, merged + 1);
    for (const word of pairs.takeWords(top.pair)) {
      lengths[word] = mergeInWord(words[word]!, lengths[word]!, merge, merged, (left, right, sign) =>
        pairs.add(left, right, sign * wordCounts[word]!, word),
      );
    }
    pairs.clear(top.pair);
    for (const pair of pairs.takeRaised()) heap.push(pair, pairs.count(pair));
  }
  return merges;
}

/** Replaces a pair in a word in place, reports pairs gone (-1) and come (+1), and returns the new length. */
function mergeInWord(
  symbols: Int32Array,
  length: number,
  [left, right]: Merge,
  merged: number,
  report: (left: number, right: number, sign: number) => void,
): number {
  let write = 0;
  for (let read = 0; read < length; read++, write++) {
    if (symbols[read] !== left || read + 1 >= length || symbols[read + 1] !== right) {
      symbols[write] = symbols[read]!;
      continue;
    }
    if (write > 0) {
      report(symbols[write - 1]!, left, -1);
      report(symbols[write - 1]!, merged, 1);
    }
    if (read + 2 < length) {
      report(right, symbols[read + 2]!, -1);
      report(merged, symbols[read + 2]!, 1);
    }
    symbols[write] = merged;
    read += 1;
  }
  return write;
}

/** How often each pair occurs, and in which words it may. */
class PairCounts {
  readonly #index = new PairTable(1024);
  readonly #left: number[] = [];
  readonly #right: number[] = [];
  readonly #counts: number[] = [];
  readonly #words: number[][] = [];
  #raised: number[] = [];
  readonly #isRaised: boolean[] = [];

  left(pair: number): number {
    return this.#left[pair]!;
  }

  right(pair: number): number {
    return this.#right[pair]!;
  }

  count(pair: number): number {
    return this.#counts[pair]!;
  }

  /** Changes a count; a rise notes the word and the pair. */
  add(left: number, right: number, change: number, word: number): void {
    const handle = this.#index.find(left, right);
    const pair = handle < 0 ? this.#create(left, right) : this.#index.merged(handle);
    this.#counts[pair]! += change;
    if (change < 0) return;
    const words = this.#words[pair]!;
    if (words[words.length - 1] !== word) words.push(word);
    if (this.#isRaised[pair]) return;
    this.#isRaised[pair] = true;
    this.#raised.push(pair);
  }

  clear(pair: number): void {
    this.#counts[pair] = 0;
  }

  /** Words that hold the pair, or held it once; each once, in order. */
  takeWords(pair: number): readonly number[] {
    const words = [...new Set(this.#words[pair])];
    this.#words[pair] = [];
    return words;
  }

  /** Pairs whose count rose since the last call and is above zero. */
  takeRaised(): readonly number[] {
    const raised = this.#raised;
    this.#raised = [];
    for (const pair of raised) this.#isRaised[pair] = false;
    return raised.filter((pair) => this.#counts[pair]! > 0);
  }

  #create(left: number, right: number): number {
    const pair = this.#counts.push(0) - 1;
    this.#left.push(left);
    this.#right.push(right);
    this.#words.push([]);
    this.#isRaised.push(false);
    this.#index.set(left, right, NO_MERGE, pair);
    return pair;
  }
}
