/** Selects the largest values of a row without sorting all of it: for top-k and top-p. */
import type { LogitsRow } from './sampling-parameters.js';
import { nextNotBelow } from './scan-row.js';

/**
 * Partial selection: where does the descending order of some numbers reach a count or a mass?
 * Only the value at that place is found; no ids are moved and nothing is sorted.
 */

/** Beyond this k, quickselect over a copy is faster than a heap. Measured at V = 100,000. */
const largestHeap = 1024;

/**
 * The k-th largest of `values` (1 <= k <= length), which are left as they are.
 * @param scratch at least as long as `values`; overwritten
 */
export function kthLargest(values: LogitsRow, k: number, scratch: Float64Array): number {
  if (k <= largestHeap) return kthLargestByHeap(values, k, scratch);
  scratch.set(values);
  return selectDescending(scratch, values.length, k, false).value;
}

/** A min-heap of the k largest seen so far: nearly all values fail the one comparison with its root. */
function kthLargestByHeap(values: LogitsRow, k: number, heap: Float64Array): number {
  for (let i = 0; i < k; i++) heap[i] = values[i]!;
  for (let i = (k >> 1) - 1; i >= 0; i--) siftDown(heap, k, i, heap[i]!);
  let lowest = heap[0]!;
  for (let i = nextNotBelow(values, k, lowest); i < values.length; i = nextNotBelow(values, i + 1, lowest)) {
    if (values[i]! <= lowest) continue;
    siftDown(heap, k, 0, values[i]!);
    lowest = heap[0]!;
  }
  return lowest;
}

/** Puts `value` in place of the entry at `hole`, whose subtrees are heaps. */
function siftDown(heap: Float64Array, length: number, hole: number, value: number): void {
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= length) break;
    if (child + 1 < length && heap[child + 1]! < heap[child]!) child += 1;
    if (heap[child]! >= value) break;
    heap[hole] = heap[child]!;
    hole = child;
  }
  heap[hole] = value;
}

/** The place where a descending order reaches its target. */
export interface Cut {
  readonly value: number;
  /** Count or mass of the entries greater than `value`; less than the target. */
  readonly above: number;
  /** How many entries equal `value`. */
  readonly ties: number;
}

/**
 * Finds the largest v for which the entries >= v reach `target`, counted (`byMass` false) or added up (true,
 * entries not negative); the least entry if rounding keeps the total just below it.
 * Quickselect with a three-way partition: linear on average, ties cost nothing. Permutes values[0, length).
 */
export function selectDescending(values: Float64Array, length: number, target: number, byMass: boolean): Cut {
  let start = 0;
  let end = length;
  let above = 0;
  for (;;) {
    const pivot = medianOfThree(values[start]!, values[(start + end) >> 1]!, values[end - 1]!);
    // [start, greater) > pivot, [greater, next) = pivot, [less, end) < pivot
    let greater = start;
    let less = end;
    let greaterMass = 0;
    for (let next = start; next < less; ) {
      const value = values[next]!;
      if (value > pivot) {
        values[next++] = values[greater]!;
        values[greater++] = value;
        greaterMass += value;
      } else if (value < pivot) {
        values[next] = values[--less]!;
        values[less] = value;
      } else {
        next += 1;
      }
    }
    const ties = less - greater;
    const aboveHere = above + (byMass ? greaterMass : greater - start);
    const throughTies = aboveHere + (byMass ? ties * pivot : ties);
    if (aboveHere >= target && greater > start) end = greater;
    else if (throughTies >= target || less === end) return { value: pivot, above: aboveHere, ties };
    else {
      start = less;
      above = throughTies;
    }
  }
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
