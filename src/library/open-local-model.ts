/** A model of ours, made ready to be evaluated. */
import { hashModel, hashTokenizer, type LanguageModel, LocalModel } from '../evaluation/index.js';
import { type ModelRanks, readGenerationDefaults } from '../generation/index.js';
import {
  type ChatWishes,
  chooseModelChat,
  type IntegerActivations,
  type LoadedModel,
  loadAdaptedModel,
  loadModelTokenizer,
  type SplitPlace,
} from '../models/index.js';
import type { FloatDType } from '../tensor/index.js';

export interface OpenLocalModelOptions {
  /** Model folder or weight file. */
  readonly path: string;
  readonly configPath?: string | undefined;
  /** Default: the tokenizer in the model folder. */
  readonly tokenizerPath?: string | undefined;
  readonly adapter?: string | undefined;
  readonly dtype?: FloatDType | undefined;
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
  /** How layers that are kept as integers multiply. Default none. */
  readonly integerActivations?: IntegerActivations | undefined;
  readonly chat?: ChatWishes | undefined;
  /** That share the model. */
  readonly ranks?: ModelRanks | undefined;
}

/** @throws InputError for whatever of it cannot be read */
export function openLocalModel({
  path,
  tokenizerPath,
  chat,
  adapter,
  dtype,
  ranks,
  integerActivations = 'none',
  ...options
}: OpenLocalModelOptions): LanguageModel {
  const { eosTokenIds } = readGenerationDefaults(path);
  const load = (place?: SplitPlace): LoadedModel =>
    loadAdaptedModel(path, { ...options, adapter, dtype, place, keepIntegers: true, integerActivations });
  const loaded = ranks === undefined ? load() : ranks.load(load);
  const source = tokenizerPath ?? path;
  const tokenizer = loadModelTokenizer(loaded.architecture, source);
  const paths = tokenizerPath === undefined ? [path] : [tokenizerPath, path];
  return new LocalModel({
    loaded,
    tokenizer,
    chat: chooseModelChat(loaded.architecture, paths, chat)?.format,
    stopTokenIds: eosTokenIds,
    identity: {
      path,
      model: hashModel(path),
      tokenizer: hashTokenizer(source),
      adapter: adapter === undefined ? null : hashModel(adapter),
      dtype: dtype ?? null,
      ...(integerActivations === 'none' ? {} : { integerActivations }),
    },
  });
}
