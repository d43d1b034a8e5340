/** Skipped records, counted by reason. */
import type { SkippedRecord } from './sample.js';

/** Examples that are kept of each reason; beyond them records are only counted. */
const EXAMPLES = 10;

export interface SkipReason {
  readonly reason: string;
  readonly count: number;
  /** The first ten. */
  readonly examples: readonly SkippedRecord[];
}

export class SkipReport {
  readonly #reasons = new Map<string, { count: number; examples: SkippedRecord[] }>();

  /** Bound, to be handed on as `onSkip`. */
  readonly add = (skipped: SkippedRecord): void => {
    const entry = this.#reasons.get(skipped.reason) ?? { count: 0, examples: [] };
    entry.count += 1;
    if (entry.examples.length < EXAMPLES) entry.examples.push(skipped);
    this.#reasons.set(skipped.reason, entry);
  };

  get total(): number {
    let total = 0;
    for (const { count } of this.#reasons.values()) total += count;
    return total;
  }

  /** The most frequent first. */
  reasons(): SkipReason[] {
    return [...this.#reasons]
      .map(([reason, entry]) => ({ reason, ...entry }))
      .sort((a, b) => b.count - a.count);
  }
}
