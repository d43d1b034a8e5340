/** The two simplest packings: rows filled in order, and one row for each sample. */
import type { PackingTask, RowAssignment } from './row-plan.js';

/** In order; a new row begins where the next fragment does not fit. */
export function packGreedily({ lengths, capacity }: PackingTask): RowAssignment {
  const rowOf = new Uint32Array(lengths.length);
  let row = 0;
  let used = 0;
  lengths.forEach((length, fragment) => {
    if (used > 0 && used + length > capacity) {
      row += 1;
      used = 0;
    }
    rowOf[fragment] = row;
    used += length;
  });
  return { rowCount: lengths.length === 0 ? 0 : row + 1, rowOf };
}

/** Every fragment in a row of its own. */
export function packSeparately({ lengths }: PackingTask): RowAssignment {
  return { rowCount: lengths.length, rowOf: Uint32Array.from(lengths, (_, fragment) => fragment) };
}
