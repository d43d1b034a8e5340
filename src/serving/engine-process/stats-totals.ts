/** Sums the statistics of successive engine processes, so that counters never go back after a restart. */
import type { EngineStats } from '../../generation/index.js';
import { EMPTY_STATS } from './engine-module.js';

const COUNTERS = [
  'steps',
  'promptTokens',
  'generatedTokens',
  'preemptions',
  'prefixCacheQueries',
  'prefixCacheHits',
  'draftTokens',
  'acceptedDraftTokens',
] as const satisfies readonly (keyof EngineStats)[];

/** Sizes of steps that are kept for who asks; the oldest go first. */
const MAX_STEP_TOKENS = 10_000;

export class StatsTotals {
  #before: EngineStats = EMPTY_STATS;
  #latest: EngineStats = EMPTY_STATS;
  #stepTokens: number[] = [];

  absorb(stats: EngineStats): void {
    this.#latest = stats;
    this.#stepTokens.push(...stats.stepTokens);
    const excess = this.#stepTokens.length - MAX_STEP_TOKENS;
    if (excess > 0) this.#stepTokens.splice(0, excess);
  }

  /** As last absorbed, without the sizes of the steps. */
  get latest(): EngineStats {
    return this.#latest;
  }

  /** The engine is gone: nothing runs or waits, and the next one counts from 0. */
  restart(): void {
    const { blocks } = this.#latest;
    this.#before = this.#sum();
    this.#latest = { ...EMPTY_STATS, blocks, freeBlocks: blocks };
  }

  /** Everything so far; the sizes of the steps are given once. */
  take(): EngineStats {
    return { ...this.#sum(), stepTokens: this.#stepTokens.splice(0) };
  }

  #sum(): EngineStats {
    const counts = COUNTERS.map((name) => [name, this.#before[name] + this.#latest[name]] as const);
    return { ...this.#latest, ...Object.fromEntries(counts) };
  }
}
