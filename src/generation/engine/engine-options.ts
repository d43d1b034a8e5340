/**
 * What an engine is given beside its model. The settings travel in one type from the command line to here; they are plain
 * data, so that they can cross to another process.
 */
import type { AdapterSet } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import type { CausalLm } from '../../models/index.js';
import { BLOCK_SIZE, pagedBlockBytes } from '../../nn/index.js';
import type { FloatDType } from '../../tensor/index.js';

export interface EngineSettings {
  /** Tokens that the cache holds at most. Default 8192, or as many as `cacheBytes` hold. */
  readonly cacheTokens?: number | undefined;
  /** The same in memory. */
  readonly cacheBytes?: number | undefined;
  /** Default: the dtype that the model computes in. */
  readonly kvDType?: 'int8' | undefined;
  /** Greatest length of prompt and answer together. Default: what the model and the cache allow. */
  readonly maxLength?: number | undefined;
  /** Most sequences at the same time. Default 64. */
  readonly maxSequences?: number | undefined;
  /** Most tokens of a step. Default 512. */
  readonly maxBatchTokens?: number | undefined;
  /** Milliseconds that a step should take while sequences wait for their next token: prompts run in smaller pieces. Default 250. */
  readonly targetStepMs?: number | undefined;
  /** Reuse the blocks of equal prefixes (prefix caching). Default true. */
  readonly prefixCache?: boolean | undefined;
  /** Most tokens drafted from repetitions in the text, 0 for none. Default 0. */
  readonly maxDrafts?: number | undefined;
  /** Drafts are made while at most this many sequences run: beyond it the pass is busy enough. Default 8. */
  readonly maxDraftingSequences?: number | undefined;
}

export interface EngineOptions extends EngineSettings {
  /** Adapters that requests may name; the engine does not own it. */
  readonly adapters?: AdapterSet | undefined;
}

/** The settings with their defaults, the cache in blocks. */
export type ResolvedSettings = Required<{
  readonly [Name in Exclude<keyof EngineSettings, 'cacheTokens' | 'cacheBytes' | 'kvDType'>]: NonNullable<
    EngineSettings[Name]
  >;
}> & { readonly blocks: number; readonly kvDType: FloatDType | 'int8' };

export const DEFAULT_MAX_SEQUENCES = 64;

const DEFAULT_CACHE_TOKENS = 8192;

/** Bytes of the cache for one token, on this process. */
export function cacheBytesPerToken(model: CausalLm, kvDType?: 'int8'): number {
  const dtype = kvDType ?? model.computeDType;
  const { numLayers, headDim } = model.shape;
  return pagedBlockBytes({ layers: numLayers, numKvHeads: model.ownKvHeads, headDim, dtype }) / BLOCK_SIZE;
}

/** @throws InputError for options out of range */
export function resolveOptions(model: CausalLm, options: EngineSettings): ResolvedSettings {
  const { cacheBytes, kvDType, prefixCache = true } = options;
  const whole = (name: keyof EngineSettings, value: number, min: number): number => {
    if (Number.isSafeInteger(value) && value >= min) return value;
    throw new InputError(`engine: ${name} is ${value}; give a whole number from ${min}.`);
  };
  const cacheTokens =
    options.cacheTokens ??
    (cacheBytes === undefined
      ? DEFAULT_CACHE_TOKENS
      : Math.floor(cacheBytes / cacheBytesPerToken(model, kvDType)));
  const blocks = Math.ceil(whole('cacheTokens', cacheTokens, 1) / BLOCK_SIZE);
  // A window needs the blocks that it touches, however long the sequence; a step's own tokens come on top.
  const maxBatchTokens = whole('maxBatchTokens', options.maxBatchTokens ?? 512, 1);
  const held =
    model.longestWindow === undefined
      ? Number.POSITIVE_INFINITY
      : model.longestWindow + maxBatchTokens + 2 * BLOCK_SIZE;
  const byCache = held <= blocks * BLOCK_SIZE ? Number.POSITIVE_INFINITY : blocks * BLOCK_SIZE;
  const max = Math.min(model.shape.maxPositions ?? Number.POSITIVE_INFINITY, byCache);
  const maxLength = whole('maxLength', options.maxLength ?? max, 1);
  if (maxLength > max)
    throw new InputError(
      `engine: maxLength is ${maxLength}; the model allows ${model.shape.maxPositions ?? 'any length'}, the cache holds ` +
        `${blocks * BLOCK_SIZE} tokens. Give a smaller length or a larger cache.`,
    );
  return {
    blocks,
    maxLength,
    kvDType: kvDType ?? model.computeDType,
    maxSequences: whole('maxSequences', options.maxSequences ?? DEFAULT_MAX_SEQUENCES, 1),
    maxBatchTokens,
    targetStepMs: whole('targetStepMs', options.targetStepMs ?? 250, 1),
    prefixCache,
    maxDrafts: whole('maxDrafts', options.maxDrafts ?? 0, 0),
    maxDraftingSequences: whole('maxDraftingSequences', options.maxDraftingSequences ?? 8, 0),
  };
}
