/** The engine of `xinghe serve`: a model, its tokenizer and its adapters, loaded in the process that runs this module. */
import { AdapterSet } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import {
  cacheBytesPerToken,
  type EngineStats,
  GrammarCompiler,
  TextEngine,
  type TextRequest,
} from '../../generation/index.js';
import { formatBytes } from '../../log/index.js';
import { loadModel, loadModelTokenizer } from '../../models/index.js';
import { type FloatDType, prepareEngine, selectDevice } from '../../tensor/index.js';
import { type CacheWish, cacheTokens } from './cache-size.js';
import type { StartedEngine, StepEvent, SteppingEngine } from './stepping-engine.js';

/** Plain data: it crosses to the process. */
export interface TextEngineSetup {
  readonly model: string;
  readonly config?: string | undefined;
  readonly tokenizer?: string | undefined;
  readonly dtype?: FloatDType | undefined;
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
  /** End every text; a structured answer may end with these only. */
  readonly stopIds: readonly number[];
  /** Default: what the model and the cache allow. */
  readonly maxModelLength?: number | undefined;
  /** Default 64. */
  readonly maxSequences?: number | undefined;
  readonly maxBatchTokens?: number | undefined;
  readonly cache: CacheWish;
  readonly kvDType?: 'int8' | undefined;
  /** Default true. */
  readonly prefixCache?: boolean | undefined;
  /** Most tokens drafted by n-grams. Default 0. */
  readonly speculate?: number | undefined;
}

class ServedTextEngine implements SteppingEngine {
  readonly #engine: TextEngine;
  readonly #adapters: AdapterSet;
  readonly #grammars: GrammarCompiler;

  constructor(engine: TextEngine, adapters: AdapterSet, grammars: GrammarCompiler) {
    this.#engine = engine;
    this.#adapters = adapters;
    this.#grammars = grammars;
  }

  get onReady(): (() => void) | undefined {
    return this.#engine.onReady;
  }

  set onReady(call: (() => void) | undefined) {
    this.#engine.onReady = call;
  }

  get hasWork(): boolean {
    return this.#engine.hasWork;
  }

  get stats(): EngineStats {
    return this.#engine.stats;
  }

  submit(id: string, request: TextRequest): void {
    this.#engine.submit(id, request);
  }

  cancel(id: string): void {
    this.#engine.cancel(id);
  }

  pause(id: string): void {
    this.#engine.pause(id);
  }

  resume(id: string): void {
    this.#engine.resume(id);
  }

  step(): StepEvent[] {
    return this.#engine
      .step()
      .map(({ id, event }): StepEvent => ('error' in event ? { id, error: event.error } : { id, event }));
  }

  loadAdapter(name: string, path: string): void {
    this.#adapters.load(name, path);
  }

  unloadAdapter(name: string): void {
    this.#adapters.unload(name);
  }

  dispose(): void {
    this.#engine.dispose();
    this.#adapters.dispose();
    // Its thread ends with the process at the latest.
    void this.#grammars.dispose();
  }
}

/** @throws InputError for what cannot be loaded, a cache that does not fit */
export function startEngine(setup: TextEngineSetup): StartedEngine {
  const { threads, maxSequences = 64, maxModelLength, kvDType } = setup;
  prepareEngine(threads === undefined ? {} : { threads });
  const { model, architecture } = loadModel(setup.model, {
    configPath: setup.config,
    dtype: setup.dtype,
    device: setup.device === undefined ? undefined : selectDevice(setup.device),
  });
  if (maxModelLength !== undefined && maxModelLength > (model.shape.maxPositions ?? Number.POSITIVE_INFINITY))
    throw new InputError(
      `--max-model-len is ${maxModelLength}; the model allows ${model.shape.maxPositions}. Give that or less, or leave it out.`,
    );
  const tokenizer = loadModelTokenizer(architecture, setup.tokenizer ?? setup.model);
  const bytesPerToken = cacheBytesPerToken(model, kvDType);
  const tokens = cacheTokens(setup.cache, {
    bytesPerToken,
    freeBytes: model.device === 'cpu' ? process.availableMemory() : undefined,
    // Only what a window keeps of a text lies in the cache.
    maxLength: model.window === undefined ? maxModelLength : undefined,
    maxSequences,
  });
  const adapters = new AdapterSet(model, architecture.names);
  const grammars = new GrammarCompiler(tokenizer, {
    stopIds: setup.stopIds,
    modelVocabSize: model.shape.vocabSize,
  });
  const engine = new TextEngine(model, tokenizer, {
    cacheTokens: tokens,
    kvDType,
    maxLength: maxModelLength,
    maxSequences,
    maxBatchTokens: setup.maxBatchTokens,
    prefixCache: setup.prefixCache,
    maxDrafts: setup.speculate,
    adapters,
    grammars: { create: async (spec) => grammars.createConstraint(await grammars.compile(spec)) },
  });
  const { maxLength } = engine;
  return {
    engine: new ServedTextEngine(engine, adapters, grammars),
    limits: { maxModelLength: maxLength, vocabSize: model.shape.vocabSize },
    description:
      `${model.computeDType} on ${model.device}, KV cache of ${tokens} tokens (${formatBytes(tokens * bytesPerToken)}), ` +
      `texts of up to ${maxLength} tokens, ${maxSequences} at a time`,
  };
}
