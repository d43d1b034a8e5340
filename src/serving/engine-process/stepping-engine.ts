/** An engine that is driven by `step`: TextEngine, or a stand-in in tests. */
import type { EngineStats, TextEvent, TextRequest } from '../../generation/index.js';

/**
 * What a step brought to a request; an error where it turned out that it cannot be served (InputError) or that something
 * is wrong with it alone: it is over then.
 */
export type StepEvent =
  | { readonly id: string; readonly event: TextEvent; readonly error?: undefined }
  | { readonly id: string; readonly event?: undefined; readonly error: Error };

export interface SteppingEngine {
  /** @throws InputError for a request that cannot be served */
  submit(id: string, request: TextRequest): void;
  /** Unknown ids, ended ones among them, are passed over; so do `pause` and `resume`. */
  cancel(id: string): void;
  pause(id: string): void;
  resume(id: string): void;
  /** One forward pass. */
  step(): readonly StepEvent[];
  /** Would a step compute something? False while all requests are paused, or wait for their grammar. */
  readonly hasWork: boolean;
  /** Called when it has work again without a call from outside: a grammar is compiled. */
  onReady: (() => void) | undefined;
  readonly stats: EngineStats;
  /** @throws InputError for a name that is taken, a folder that is no adapter of this model */
  loadAdapter(name: string, path: string): void;
  /** @throws InputError for an unknown name */
  unloadAdapter(name: string): void;
  dispose(): void;
}

/** What a request is checked against before it goes to the engine. */
export interface EngineLimits {
  /** Greatest length of prompt and answer together. */
  readonly maxModelLength: number;
  readonly vocabSize: number;
}

export interface StartedEngine {
  readonly engine: SteppingEngine;
  readonly limits: EngineLimits;
  /** For the log: size of the cache and the like. */
  readonly description: string;
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
