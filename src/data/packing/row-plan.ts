/** Which fragments of which samples go into which row, from lengths alone. */

/** Parts of samples, in order. Parallel arrays, one entry a fragment. */
export interface Fragments {
  /** Index of the sample. */
  readonly samples: Uint32Array;
  /** First token of the sample that belongs to the fragment. */
  readonly starts: Uint32Array;
  /** Tokens. */
  readonly lengths: Uint32Array;
}

/** Fragments sorted by row. */
export interface RowPlan extends Fragments {
  readonly rowCount: number;
  /** [rowCount + 1]: row r holds the fragments from rowStarts[r] up to rowStarts[r + 1]. */
  readonly rowStarts: Uint32Array;
}

/** What the packers share: lengths of what they pack, and the room of a row. */
export interface PackingTask {
  /** Tokens of each fragment, none above `capacity`. */
  readonly lengths: Uint32Array;
  /** Tokens that a row holds. */
  readonly capacity: number;
}

/** For each fragment the row that it goes to; rows count from 0 without gaps. */
export interface RowAssignment {
  readonly rowCount: number;
  readonly rowOf: Uint32Array;
}

/** Sorts fragments by row; within a row they keep their order. */
export function planRows(fragments: Fragments, { rowCount, rowOf }: RowAssignment): RowPlan {
  const count = rowOf.length;
  const rowStarts = new Uint32Array(rowCount + 1);
  for (const row of rowOf) rowStarts[row + 1]! += 1;
  for (let row = 0; row < rowCount; row++) rowStarts[row + 1]! += rowStarts[row]!;
  const next = rowStarts.slice();
  const samples = new Uint32Array(count);
  const starts = new Uint32Array(count);
  const lengths = new Uint32Array(count);
  for (let fragment = 0; fragment < count; fragment++) {
    const index = next[rowOf[fragment]!]!++;
    samples[index] = fragments.samples[fragment]!;
    starts[index] = fragments.starts[fragment]!;
    lengths[index] = fragments.lengths[fragment]!;
  }
  return { rowCount, rowStarts, samples, starts, lengths };
}

/** Tokens in a row. */
export function rowTokens(plan: RowPlan, row: number): number {
  let tokens = 0;
  for (let fragment = plan.rowStarts[row]!; fragment < plan.rowStarts[row + 1]!; fragment++)
    tokens += plan.lengths[fragment]!;
  return tokens;
}
