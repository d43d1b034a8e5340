/** A fast scan over a row of logits. */
import type { LogitsRow } from './sampling-parameters.js';

/**
 * The first index from `start` on whose value is not below `bound` (NaN is not), or the length of the row.
 * Four at a time: over a whole vocabulary the cost of a scan is that of the loop itself.
 */
export function nextNotBelow(row: LogitsRow, start: number, bound: number): number {
  const { length } = row;
  let i = start;
  while (
    i < length - 3 &&
    row[i]! < bound &&
    row[i + 1]! < bound &&
    row[i + 2]! < bound &&
    row[i + 3]! < bound
  ) {
    i += 4;
  }
  while (i < length && row[i]! < bound) i += 1;
  return i;
}
