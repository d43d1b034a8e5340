/** The loss on rows that are not learned. */
import type { Row, RowSource } from '../../data/index.js';

/** Rows that are measured during a run, and when. */
export interface HeldOut {
  readonly rows: RowSource;
  /** Steps between evaluations; one is made at the end too. */
  readonly every: number;
  /** At most so many rows, the first ones. Default: all. */
  readonly max_rows?: number | undefined;
}

/**
 * @param measure the summed loss of a batch and what it is divided by
 * @param pause called after each batch; what it throws ends the measurement
 */
export async function measureHeldOut(
  measure: (batch: readonly Row[]) => { readonly lossSum: number; readonly learnedTokens: number },
  { rows, max_rows = rows.rowCount }: HeldOut,
  batchSize: number,
  pause: () => Promise<void>,
): Promise<{ readonly loss: number; readonly tokens: number }> {
  let lossSum = 0;
  let tokens = 0;
  const count = Math.min(rows.rowCount, max_rows);
  for (let start = 0; start < count; start += batchSize) {
    const size = Math.min(batchSize, count - start);
    const batch = await Promise.all(Array.from({ length: size }, (_, index) => rows.read(start + index)));
    const measured = measure(batch);
    lossSum += measured.lossSum;
    tokens += measured.learnedTokens;
    await pause();
  }
  return { loss: lossSum / tokens, tokens };
}
