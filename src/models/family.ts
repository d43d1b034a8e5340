/** What the rest of the system knows of a model family, and of one model of it. */
import type { z } from 'zod';
import {
  type NameScheme,
  type NameTable,
  nameScheme,
  ownNames,
  type ShardingTable,
  TENSOR_NAMINGS,
  type TensorNaming,
  type WeightTables,
  withoutQuantization,
} from '../checkpoint/index.js';
import { parseConfig } from '../config/index.js';
import type { InitRule } from '../nn/index.js';
import type { LoadTokenizerOptions } from '../tokenizers/index.js';
import type { CausalLm } from './causal-lm.js';
import { type ChatFormat, missingChatFormat } from './chat-format.js';
import type { GgufLayout, GgufRefusal } from './convert/gguf/gguf-layout.js';
import type { LlamaForm, LlamaRefusal } from './llama-parts/llama-form.js';
import type { ModelShape } from './model-shape.js';

export type FamilyName =
  | 'spark'
  | 'telechat'
  | 'telechat52b'
  | 'xverse'
  | 'llama'
  | 'mistral'
  | 'qwen2'
  | 'qwen3'
  | 'qwen3-moe'
  | 'telechat3';

/** How a config of the family says that a model scores texts. */
export interface RewardMarks {
  /** The class of transformers with one label. */
  readonly className: string;
  /** A key of the family's own that says it where it is true. */
  readonly flag?: string;
}

/** A model as its config describes it; no weights yet. */
export interface Architecture {
  readonly family: FamilyName;
  readonly tables: WeightTables;
  /** The config as it was read, for saving it beside new weights. */
  readonly publishedConfig: unknown;
  /** Its file name in a model folder. */
  readonly configFile: 'config.json' | 'model_config.yaml';
  readonly names: NameTable;
  readonly initRule: InitRule;
  readonly shape: ModelShape;
  readonly bosTokenId: number | undefined;
  /** That is learned and written at the end of an answer. */
  readonly eosTokenId: number | undefined;
  /** All that end an answer, that one first; empty where the config names none. */
  readonly eosTokenIds: readonly number[];
  readonly padTokenId: number | undefined;
  /** Refuses every conversation where the family has none of its own (`hasChatFormat`). */
  readonly chat: ChatFormat;
  /** False where only the chat template of a model's folder says how it is talked to. */
  readonly hasChatFormat: boolean;
  /** What the last segment gives: logits over the vocabulary, or one score (a reward model). Default logits. */
  readonly output?: 'logits' | 'score';
  readonly rewardMarks: RewardMarks;
  /** How llama.cpp knows such a model. */
  readonly gguf: GgufLayout | GgufRefusal;
  /** As transformers' Llama. Default: transformers knows such models by themselves. */
  readonly llama?: LlamaForm | LlamaRefusal;
  /** How the family's tokenizer files are to be loaded. Default: as they are. */
  readonly tokenizerOptions?: LoadTokenizerOptions;
  /** The part of a config that describes the model. */
  section(config: unknown): unknown;
  /** A new model whose parameters have shapes and no values. */
  createModel(): CausalLm;
}

export interface ModelFamily {
  readonly name: FamilyName;
  readonly tables: WeightTables;
  /** True when a parsed config file is one of this family. */
  recognises(config: unknown): boolean;
  /** @throws InputError for unknown keys and values out of range, naming `source`. */
  parse(config: unknown, source: string): Architecture;
}

/** Ties a family's schema, names and model together. */
export function defineFamily<Schema extends z.ZodType>(definition: {
  readonly name: FamilyName;
  readonly recognises: (config: unknown) => boolean;
  readonly schema: Schema;
  /** Adds what the published code of a release says and its config does not. Default: nothing. */
  readonly complete?: (config: unknown, source: string) => unknown;
  /** Picks the part of the file that the schema describes. Default: the whole. */
  readonly select?: (config: unknown) => unknown;
  readonly configFile: Architecture['configFile'];
  readonly names: NameTable;
  readonly sharding: ShardingTable;
  /** Spellings beside the published one. */
  readonly schemes?: Partial<Record<TensorNaming, NameScheme>>;
  readonly keepsFloat32?: WeightTables['keepsFloat32'];
  readonly rewardMarks: RewardMarks;
  readonly describe: (config: z.output<Schema>) => Omit<
    Architecture,
    | 'family'
    | 'tables'
    | 'publishedConfig'
    | 'configFile'
    | 'names'
    | 'eosTokenId'
    | 'chat'
    | 'hasChatFormat'
    | 'rewardMarks'
    | 'section'
  > & {
    /** Left out where models of the family bring theirs as a chat template. */
    readonly chat?: ChatFormat;
  };
}): ModelFamily {
  const {
    name,
    recognises,
    schema,
    complete,
    select = (config) => config,
    configFile,
    names,
    sharding,
    schemes,
    describe,
  } = definition;
  const namings = { published: nameScheme(names), own: ownNames(names), ...schemes };
  const tables: WeightTables = {
    names,
    sharding,
    schemes: new Map(
      TENSOR_NAMINGS.flatMap((naming) => {
        const scheme = namings[naming];
        return scheme === undefined ? [] : [[naming, scheme] as const];
      }),
    ),
    ...(definition.keepsFloat32 !== undefined && { keepsFloat32: definition.keepsFloat32 }),
  };
  return {
    name,
    tables,
    recognises,
    parse(published, source) {
      // How the files keep the weights is no part of what the model is: whoever opens them asks.
      const plain = withoutQuantization(published, source);
      const config = complete?.(plain, source) ?? plain;
      const parsed = parseConfig(schema, select(config), { source });
      const described = describe(parsed);
      const { gguf } = described;
      const schemes =
        'scheme' in gguf ? new Map([...tables.schemes, ['gguf', gguf.scheme] as const]) : tables.schemes;
      return {
        family: name,
        tables: { ...tables, schemes },
        publishedConfig: config,
        configFile,
        names,
        rewardMarks: definition.rewardMarks,
        section: select,
        eosTokenId: described.eosTokenIds[0],
        ...described,
        chat: described.chat ?? missingChatFormat(name),
        hasChatFormat: described.chat !== undefined,
      };
    },
  };
}

/** The value of `key` in a config that may be anything. */
export function configValue(config: unknown, key: string): unknown {
  return typeof config === 'object' && config !== null ? Reflect.get(config, key) : undefined;
}
