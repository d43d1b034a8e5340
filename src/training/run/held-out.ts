/** The loss on rows that are not learned. */
import { setImmediate } from 'node:timers/promises';
import type { Row, RowSource } from '../../data/index.js';
import type { ProcessGroup } from '../../distributed/index.js';
import { MetricMeans, type MetricSum } from '../objective/objective.js';
import { gatherMetricSums } from '../parallel/metric-sums.js';
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

/** Of `HeldOut`, what measuring needs. */
type HeldOutRows = Pick<HeldOut, 'max_rows'> & { readonly rows: Pick<RowSource, 'rowCount' | 'read'> };

type Gather = Pick<ProcessGroup, 'size' | 'gatherNumbers' | 'gatherTexts'>;

/** What is asked of the ranks of a run. */
export interface HeldOutRanks {
  /** Those that have other rows; no group: this one alone. */
  readonly data: { readonly rank: number; readonly size: number; readonly group?: Gather | undefined };
  readonly stages: Gather | undefined;
}

/** Batches that follow one another through a pipeline: meanwhile a stage computes the next one where the one behind it has this. */
const BATCHES_PER_STAGE = 4;

/**
 * @param measure the sums of a batch
 * @param pause called after each batch, by the stages of a pipeline after some: what they agree on there, they wait for. What it throws ends
 *   the measurement
 * @param ranks those that have other rows measure every n-th batch each; all of them as many, the surplus counting nothing
 */
export async function measureHeldOut(
  measure: (batch: readonly Row[]) => MeasuredRows,
  { rows, max_rows = rows.rowCount }: HeldOutRows,
  batchSize: number,
  pause: () => Promise<void>,
  ranks?: HeldOutRanks,
): Promise<HeldOutResult> {
  let [perToken, perRecord, tokens, records] = [0, 0, 0, 0];
  // Batches that had such a part of a loss.
  let [tokenParts, recordParts] = [0, 0];
  const metrics = new MetricMeans();
  const count = Math.min(rows.rowCount, max_rows);
  const batches = Math.ceil(count / batchSize);
  const { rank = 0, size: rankCount = 1 } = ranks?.data ?? {};
  const between = rankCount * (ranks?.stages === undefined ? 1 : BATCHES_PER_STAGE * ranks.stages.size);
  for (let round = 0; round < batches; round += rankCount) {
    const isSurplus = round + rank >= batches;
    const start = isSurplus ? 0 : (round + rank) * batchSize;
    const size = Math.min(batchSize, count - start);
    const batch = await Promise.all(Array.from({ length: size }, (_, index) => rows.read(start + index)));
    const measured = measure(batch);
    const next = round + rankCount;
    if (next % between === 0 || next >= batches) await pause();
    else await setImmediate();
    if (isSurplus) continue;
    tokenParts += measured.perToken === undefined ? 0 : 1;
    recordParts += measured.perRecord === undefined ? 0 : 1;
    perToken += measured.perToken ?? 0;
    perRecord += measured.perRecord ?? 0;
    tokens += measured.divisors.tokens;
    records += measured.divisors.records;
    metrics.add(measured.metrics);
  }
  const groups = [ranks?.data.group, ranks?.stages];
  for (const group of groups)
    if (group !== undefined) {
      const all = group.gatherNumbers([perToken, perRecord, tokens, records, tokenParts, recordParts]);
      const sum = (place: number): number => all.reduce((total, values) => total + (values[place] ?? 0), 0);
      [perToken, perRecord, tokens, records] = [sum(0), sum(1), sum(2), sum(3)];
      [tokenParts, recordParts] = [sum(4), sum(5)];
    }
  const shared = gatherMetricSums(groups, metrics.sums());
  const loss = (tokenParts > 0 ? perToken / tokens : 0) + (recordParts > 0 ? perRecord / records : 0);
  return { loss, tokens, metrics: meansOf(shared) };
}

function meansOf(all: readonly (readonly MetricSum[])[]): Readonly<Record<string, number>> | undefined {
  const means = new MetricMeans();
  for (const sums of all) means.add(sums);
  return means.means();
}
