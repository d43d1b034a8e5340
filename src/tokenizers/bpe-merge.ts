/** Byte-pair merging of one word, shared by all BPE tokenizers. */
import { NO_MERGE, type PairTable } from './pair-table.js';

/** Up to here a scan for the best pair is faster than a heap. */
const MAX_SCANNED = 40;
/** A heap entry is rank * LEFT_RANGE + left: the order of its numbers is the order of merging. */
const LEFT_RANGE = 2 ** 31;

/** Called for each pair that could merge, in the order in which the pairs come up. */
export type CandidateObserver = (left: number, right: number, merged: number) => void;

/**
 * Byte-pair merging of one run of symbols: the adjacent pair of lowest rank merges first, among equal ranks the
 * leftmost, until no pair has a rank.
 */
export class BpeMerger {
  readonly #table: PairTable;
  #heap = new Float64Array(256);
  #heapSize = 0;
  #next = new Int32Array(256);
  #previous = new Int32Array(256);

  constructor(table: PairTable) {
    this.#table = table;
  }

  /**
   * Merges `symbols[0..count)` in place and returns how many are left.
   * @param ranks holds on entry the rank of each pair (i, i + 1), count - 1 of them; scratch space afterwards.
   */
  merge(symbols: Int32Array, ranks: Int32Array, count: number, observer?: CandidateObserver): number {
    if (count > MAX_SCANNED || observer) return this.#mergeByHeap(symbols, ranks, count, observer);
    const table = this.#table;
    let length = count;
    for (;;) {
      let best = NO_MERGE;
      let at = -1;
      for (let index = 0; index < length - 1; index++) {
        if (ranks[index]! < best) {
          best = ranks[index]!;
          at = index;
        }
      }
      if (at < 0) return length;
      const merged = table.merged(table.find(symbols[at]!, symbols[at + 1]!));
      length -= 1;
      for (let index = at + 1; index < length; index++) {
        symbols[index] = symbols[index + 1]!;
        ranks[index - 1] = ranks[index]!;
      }
      symbols[at] = merged;
      if (at > 0) ranks[at - 1] = table.rankOf(symbols[at - 1]!, merged);
      if (at < length - 1) ranks[at] = table.rankOf(merged, symbols[at + 1]!);
    }
  }

  /** The same in O(n log n): a linked list of symbols and a heap of pairs, stale entries skipped when popped. */
  #mergeByHeap(symbols: Int32Array, ranks: Int32Array, count: number, observer?: CandidateObserver): number {
    if (this.#next.length < count) {
      this.#next = new Int32Array(count * 2);
      this.#previous = new Int32Array(count * 2);
    }
    const table = this.#table;
    const next = this.#next;
    const previous = this.#previous;
    this.#heapSize = 0;
    for (let index = 0; index < count; index++) {
      next[index] = index + 1 < count ? index + 1 : -1;
      previous[index] = index - 1;
      if (index + 1 < count && ranks[index]! !== NO_MERGE) {
        observer?.(
          symbols[index]!,
          symbols[index + 1]!,
          table.merged(table.find(symbols[index]!, symbols[index + 1]!)),
        );
        this.#push(ranks[index]! * LEFT_RANGE + index);
      }
    }
    const consider = (left: number, right: number) => {
      const handle = table.find(symbols[left]!, symbols[right]!);
      if (handle < 0 || table.rank(handle) === NO_MERGE) return;
      observer?.(symbols[left]!, symbols[right]!, table.merged(handle));
      this.#push(table.rank(handle) * LEFT_RANGE + left);
    };
    const dead = -2;
    while (this.#heapSize > 0) {
      const entry = this.#pop();
      const rank = Math.floor(entry / LEFT_RANGE);
      const left = entry - rank * LEFT_RANGE;
      const right = next[left]!;
      if (right < 0) continue; // absorbed (dead) or the last symbol
      const handle = table.find(symbols[left]!, symbols[right]!);
      if (handle < 0 || table.rank(handle) !== rank) continue; // one of the two has changed since
      symbols[left] = table.merged(handle);
      const after = next[right]!;
      next[left] = after;
      next[right] = dead;
      if (after >= 0) previous[after] = left;
      if (previous[left]! >= 0) consider(previous[left]!, left);
      if (after >= 0) consider(left, after);
    }
    let length = 0;
    for (let index = 0; index >= 0; index = next[index]!) symbols[length++] = symbols[index]!;
    return length;
  }

  #push(entry: number): void {
    if (this.#heapSize === this.#heap.length) {
      const larger = new Float64Array(this.#heap.length * 2);
      larger.set(this.#heap);
      this.#heap = larger;
    }
    const heap = this.#heap;
    let at = this.#heapSize++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]! <= entry) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): number {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap[--this.#heapSize]!;
    const size = this.#heapSize;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && heap[child + 1]! < heap[child]!) child += 1;
      if (heap[child]! >= last) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
