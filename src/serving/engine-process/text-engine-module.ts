/** The engine of `xinghe serve`: a model, its tokenizer and its adapters, loaded in the process that runs this module. */
import { InputError } from '../../errors/index.js';
import {
  cacheBytesPerToken,
  DEFAULT_MAX_SEQUENCES,
  type EngineSettings,
  GrammarCompiler,
  type ModelRanks,
  TextEngine,
} from '../../generation/index.js';
import { formatBytes } from '../../log/index.js';
import { type IntegerActivations, loadModelTokenizer } from '../../models/index.js';
import type { FloatDType } from '../../tensor/index.js';
import type { ModelFiles } from '../served-model.js';
import { cacheTokens } from './cache-size.js';
import type { StartedEngine } from './engine-module.js';
import { loadShared } from './load-shared.js';

/** Plain data: it crosses to the process. */
export interface TextEngineSetup {
  readonly model: ModelFiles;
  readonly dtype?: FloatDType | undefined;
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
  /** How layers that are kept as integers multiply. Default auto. */
  readonly integerActivations?: IntegerActivations | undefined;
  /** End every sequence; a structured answer may end with these only. */
  readonly stopIds: readonly number[];
  /** Without a size of the cache it is chosen by the free memory. */
  readonly settings: EngineSettings;
}

/** @throws InputError for what cannot be loaded, a cache that does not fit */
export async function startEngine(setup: TextEngineSetup): Promise<StartedEngine> {
  const { settings } = setup;
  const { maxSequences = DEFAULT_MAX_SEQUENCES, maxLength } = settings;
  const shared = await loadShared(setup);
  const { model, architecture, ranks } = shared;
  if (maxLength !== undefined && maxLength > (model.shape.maxPositions ?? Number.POSITIVE_INFINITY))
    throw new InputError(
      `--max-model-len is ${maxLength}; the model allows ${model.shape.maxPositions}. Give that or less, or leave it out.`,
    );
  const tokenizer = loadModelTokenizer(architecture, setup.model.tokenizerPath ?? setup.model.path);
  const bytesPerToken = cacheBytesPerToken(model, settings.kvDType);
  const tokens = cacheTokens(settings, {
    bytesPerToken,
    freeBytes: shared.freeBytes,
    // Only the window of a sequence lies in the cache.
    maxLength: model.longestWindow === undefined ? maxLength : undefined,
    maxSequences,
  });
  const { adapters } = shared;
  const grammars = new GrammarCompiler(tokenizer, {
    stopIds: setup.stopIds,
    modelVocabSize: model.shape.vocabSize,
  });
  const engine = new TextEngine(model, tokenizer, {
    ...settings,
    cacheTokens: tokens,
    adapters,
    grammars: {
      create: async (spec, compileOptions) =>
        grammars.createConstraint(await grammars.compile(spec, compileOptions)),
    },
  });
  const { limits } = engine;
  return {
    engine,
    limits,
    fault: lossOf(ranks),
    description:
      `${model.computeDType} on ${model.device}${ranks === undefined ? '' : ` of ${ranks.place.size} ranks`}, KV cache of ${tokens} tokens (${formatBytes(tokens * bytesPerToken)}), ` +
      `texts of up to ${limits.maxLength} tokens, ${maxSequences} at a time`,
    dispose() {
      engine.dispose();
      adapters.dispose();
      ranks?.end();
      // Its thread ends with the process at the latest.
      void grammars.dispose();
    },
  };
}

function lossOf(ranks: ModelRanks | undefined): Promise<Error> | undefined {
  return (
    ranks &&
    new Promise((resolve) => {
      ranks.onLost((what) => resolve(new Error(what)));
    })
  );
}
