/** All steps of a run in bounded memory, thinned for plots. */
import type { StepRecord } from './observer.js';

/** What is kept of a step; a point that stands for several steps has their means. */
export const HISTORY_COLUMNS = [
  'step',
  'loss',
  'grad_norm',
  'learning_rate',
  'tokens_per_second',
  'mfu',
  'memory_bytes',
  'peak_memory_bytes',
  'elapsed_seconds',
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'rewards/accuracies',
  'logps/chosen',
  'logps/rejected',
  'distillation_loss',
  'nll_loss',
] as const;

/** Of the metrics of an objective, those that are kept; NaN in a run that has none. */
const KEPT_METRICS = [
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'rewards/accuracies',
  'logps/chosen',
  'logps/rejected',
  'distillation_loss',
  'nll_loss',
] as const satisfies readonly HistoryColumn[];

export type HistoryColumn = (typeof HISTORY_COLUMNS)[number];

export interface HistoryPoints {
  /** NaN, null in JSON, where a value is not known or not finite. */
  readonly columns: Record<HistoryColumn | 'loss_low' | 'loss_high', number[]>;
  readonly phases: Record<string, number[]>;
}

/** Beyond so many entries, neighbours are joined in pairs: 100 000 steps are kept singly, in 30 MB. */
const MAX_ENTRIES = 200_000;
/** A run has a handful; a caller who makes up new names all the time must not fill the memory. */
const MAX_PHASES = 16;

type Entry = Float64Array;

export class RunHistory {
  /** Each with the values of HISTORY_COLUMNS, lowest and highest loss, and the phases. */
  #entries: Entry[] = [];
  readonly #phases: string[] = [];

  /** A step that is not behind the last one begins anew there: what was known of it and later ones is dropped. */
  append(record: StepRecord): void {
    while ((this.#entries.at(-1)?.[0] ?? 0) >= record.step) this.#entries.pop();
    for (const name of Object.keys(record.phaseSeconds))
      if (!this.#phases.includes(name) && this.#phases.length < MAX_PHASES) this.#phases.push(name);
    this.#entries.push(
      Float64Array.of(
        record.step,
        record.loss,
        record.gradNorm,
        record.learningRate,
        record.tokensPerSecond,
        record.modelFlopsUtilisation ?? Number.NaN,
        record.memoryBytes,
        record.peakMemoryBytes,
        record.elapsedSeconds,
        ...KEPT_METRICS.map((name) => record.metrics?.[name] ?? Number.NaN),
        record.loss,
        record.loss,
        ...this.#phases.map((name) => record.phaseSeconds[name] ?? 0),
      ),
    );
    if (this.#entries.length > MAX_ENTRIES) this.#entries = joined(this.#entries, 2);
  }

  clear(): void {
    this.#entries = [];
  }

  get length(): number {
    return this.#entries.length;
  }

  /** At most `count` points for the steps behind `from`, each for equally many of them. */
  points(from: number, count: number): HistoryPoints {
    let first = this.#entries.findIndex((entry) => (entry[0] ?? 0) > from);
    if (first < 0) first = this.#entries.length;
    const chosen = this.#entries.slice(first);
    const entries = joined(chosen, Math.max(Math.ceil(chosen.length / Math.max(count, 1)), 1));
    const column = (index: number): number[] => entries.map((entry) => entry[index] ?? Number.NaN);
    const own = HISTORY_COLUMNS.length;
    return {
      columns: {
        step: column(0),
        loss: column(1),
        grad_norm: column(2),
        learning_rate: column(3),
        tokens_per_second: column(4),
        mfu: column(5),
        memory_bytes: column(6),
        peak_memory_bytes: column(7),
        elapsed_seconds: column(8),
        'rewards/chosen': column(9),
        'rewards/rejected': column(10),
        'rewards/margins': column(11),
        'rewards/accuracies': column(12),
        'logps/chosen': column(13),
        'logps/rejected': column(14),
        distillation_loss: column(15),
        nll_loss: column(16),
        loss_low: column(own),
        loss_high: column(own + 1),
      },
      phases: Object.fromEntries(this.#phases.map((name, index) => [name, column(own + 2 + index)])),
    };
  }
}

function joined(entries: readonly Entry[], size: number): Entry[] {
  if (size <= 1) return [...entries];
  const result: Entry[] = [];
  for (let start = 0; start < entries.length; start += size)
    result.push(join(entries.slice(start, start + size)));
  return result;
}

function join(group: readonly Entry[]): Entry {
  const last = group.at(-1) ?? new Float64Array();
  const lowest = HISTORY_COLUMNS.length;
  return last.map((value, index) => {
    // The step, and what only grows, as they are at the end.
    if (index === 0 || index === 7 || index === 8) return value;
    let sum = 0;
    let count = 0;
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const entry of group) {
      const found = entry[index] ?? Number.NaN;
      if (!Number.isFinite(found)) continue;
      sum += found;
      count += 1;
      low = Math.min(low, found);
      high = Math.max(high, found);
    }
    if (count === 0) return Number.NaN;
    if (index === lowest) return low;
    return index === lowest + 1 ? high : sum / count;
  });
}
