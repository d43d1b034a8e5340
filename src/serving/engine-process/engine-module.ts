/** What the engine's process runs: a module that makes an engine. */
import type { EngineLimits, EngineStats, SteppingEngine } from '../../generation/index.js';

export interface StartedEngine {
  readonly engine: SteppingEngine;
  /** What a request is checked against before it goes to the engine. */
  readonly limits: EngineLimits;
  /** For the log: size of the cache and the like. */
  readonly description: string;
  /** Settled when the engine cannot go on, for a reason that no step tells of. Default: never. */
  readonly fault?: Promise<Error> | undefined;
  /** Ends the engine and gives back all that was made for it. */
  dispose(): void;
}

/** What a module that the engine's process runs exports. `setup` is plain data. */
export interface EngineModule<Setup> {
  startEngine(setup: Setup): StartedEngine | Promise<StartedEngine>;
}

export const EMPTY_STATS: EngineStats = {
  running: 0,
  waiting: 0,
  waitingTokens: 0,
  blocks: 0,
  freeBlocks: 0,
  steps: 0,
  promptTokens: 0,
  generatedTokens: 0,
  preemptions: 0,
  prefixCacheQueries: 0,
  prefixCacheHits: 0,
  draftTokens: 0,
  acceptedDraftTokens: 0,
  liveTensors: 0,
  stepTokens: [],
};
