/** The loss on rows that are not learned. */
import type { Row, RowSource } from '../../data/index.js';
import { MetricMeans } from '../objective/objective.js';
import type { MeasuredRows } from '../step/trainer.js';

/** Rows that are measured during a run, and when. */
export interface HeldOut {
  readonly rows: RowSource;
  /** Steps between evaluations; one is made at the end too. */
  readonly every: number;
  /** At most so many rows, the first ones. Default: all. */
  readonly max_rows?: number | undefined;
}

export interface HeldOutResult {
  readonly loss: number;
  /** Learned ones. */
  readonly tokens: number;
  /** Means of what the objective measures; undefined: nothing. */
  readonly metrics: Readonly<Record<string, number>> | undefined;
}

/**
 * @param measure the sums of a batch
 * @param pause called after each batch; what it throws ends the measurement
 */
export async function measureHeldOut(
  measure: (batch: readonly Row[]) => MeasuredRows,
  { rows, max_rows = rows.rowCount }: HeldOut,
  batchSize: number,
  pause: () => Promise<void>,
): Promise<HeldOutResult> {
  let [perToken, perRecord, tokens, records] = [0, 0, 0, 0];
  let [hasTokenPart, hasRecordPart] = [false, false];
  const metrics = new MetricMeans();
  const count = Math.min(rows.rowCount, max_rows);
  for (let start = 0; start < count; start += batchSize) {
    const size = Math.min(batchSize, count - start);
    const batch = await Promise.all(Array.from({ length: size }, (_, index) => rows.read(start + index)));
    const measured = measure(batch);
    hasTokenPart ||= measured.perToken !== undefined;
    hasRecordPart ||= measured.perRecord !== undefined;
    perToken += measured.perToken ?? 0;
    perRecord += measured.perRecord ?? 0;
    tokens += measured.divisors.tokens;
    records += measured.divisors.records;
    metrics.add(measured.metrics);
    await pause();
  }
  const loss = (hasTokenPart ? perToken / tokens : 0) + (hasRecordPart ? perRecord / records : 0);
  return { loss, tokens, metrics: metrics.means() };
}
