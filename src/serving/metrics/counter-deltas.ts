/** Growth of an engine's counters, which may restart at 0. */
import type { EngineStats } from '../../generation/index.js';

export const COUNTERS = [
  'promptTokens',
  'generatedTokens',
  'preemptions',
  'prefixCacheQueries',
  'prefixCacheHits',
  'draftTokens',
  'acceptedDraftTokens',
] as const satisfies readonly (keyof EngineStats)[];

export type CounterName = (typeof COUNTERS)[number];

export class CounterDeltas {
  #last: Readonly<Record<CounterName, number>> | undefined;
  #lastSteps = 0;

  /** Growth since the last call. One counter that went back means that all began again. */
  take(stats: EngineStats): ReadonlyMap<CounterName, number> {
    const last = this.#last;
    const isRestarted =
      last === undefined ||
      stats.steps < this.#lastSteps ||
      COUNTERS.some((name) => stats[name] < last[name]);
    const base = (name: CounterName): number => (isRestarted ? 0 : last[name]);
    const deltas = new Map(COUNTERS.map((name) => [name, stats[name] - base(name)]));
    const { promptTokens, generatedTokens, preemptions, prefixCacheQueries } = stats;
    const { prefixCacheHits, draftTokens, acceptedDraftTokens } = stats;
    this.#last = {
      promptTokens,
      generatedTokens,
      preemptions,
      prefixCacheQueries,
      prefixCacheHits,
      draftTokens,
      acceptedDraftTokens,
    };
    this.#lastSteps = stats.steps;
    return deltas;
  }
}
