/** What the rest of the system knows of a model family, and of one model of it. */
import type { z } from 'zod';
import {
  type NameScheme,
  type NameTable,
  nameScheme,
  OWN_NAMES,
  type ShardingTable,
} from '../checkpoint/index.js';
import { parseConfig } from '../config/index.js';
import type { InitRule } from '../nn/index.js';
import type { LoadTokenizerOptions } from '../tokenizers/index.js';
import type { CausalLm } from './causal-lm.js';
import type { ChatFormat } from './chat-format.js';

export type FamilyName = 'spark' | 'telechat' | 'telechat52b' | 'xverse';

/**
 * Spellings of a family's tensors. published: as its authors ship it; own: our module paths; megatron, mindspore: those of
 * the frameworks, where they differ or where the published one is that framework's.
 */
export type NameDialect = 'published' | 'own' | 'megatron' | 'mindspore';

export const NAME_DIALECTS: readonly NameDialect[] = ['published', 'own', 'megatron', 'mindspore'];

/** What holds for every model of a family, whatever its config. */
export interface FamilyTables {
  readonly names: NameTable;
  readonly sharding: ShardingTable;
  readonly schemes: ReadonlyMap<NameDialect, NameScheme>;
  /** Stays float32 when a checkpoint is cast, unless asked otherwise. Default: nothing. */
  readonly keepsFloat32?: (own: string) => 'embedding' | 'norm' | undefined;
}

/** A model as its config describes it; no weights yet. */
export interface Architecture {
  readonly family: FamilyName;
  readonly tables: FamilyTables;
  /** The config as it was read, for saving it beside new weights. */
  readonly publishedConfig: unknown;
  /** Its file name in a model folder. */
  readonly configFile: 'config.json' | 'model_config.yaml';
  readonly names: NameTable;
  readonly initRule: InitRule;
  readonly vocabSize: number;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  readonly chat: ChatFormat;
  /** How the family's tokenizer files are to be loaded. Default: as they are. */
  readonly tokenizerOptions?: LoadTokenizerOptions;
  /** A new model whose parameters have shapes and no values. */
  createModel(): CausalLm;
}

export interface ModelFamily {
  readonly name: FamilyName;
  readonly tables: FamilyTables;
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
  /** Picks the part of the file that the schema describes. Default: the whole. */
  readonly select?: (config: unknown) => unknown;
  readonly configFile: Architecture['configFile'];
  readonly names: NameTable;
  readonly sharding: ShardingTable;
  /** Spellings beside the published one. */
  readonly schemes?: Partial<Record<NameDialect, NameScheme>>;
  readonly keepsFloat32?: FamilyTables['keepsFloat32'];
  readonly describe: (
    config: z.output<Schema>,
  ) => Omit<Architecture, 'family' | 'tables' | 'publishedConfig' | 'configFile' | 'names'>;
}): ModelFamily {
  const { name, recognises, schema, select, configFile, names, sharding, schemes, describe } = definition;
  const dialects = { published: nameScheme(names), own: OWN_NAMES, ...schemes };
  const tables: FamilyTables = {
    names,
    sharding,
    schemes: new Map(
      NAME_DIALECTS.flatMap((dialect) => {
        const scheme = dialects[dialect];
        return scheme === undefined ? [] : [[dialect, scheme] as const];
      }),
    ),
    ...(definition.keepsFloat32 !== undefined && { keepsFloat32: definition.keepsFloat32 }),
  };
  return {
    name,
    tables,
    recognises,
    parse(config, source) {
      const parsed = parseConfig(schema, select === undefined ? config : select(config), { source });
      return { family: name, tables, publishedConfig: config, configFile, names, ...describe(parsed) };
    },
  };
}

/** The value of `key` in a config that may be anything. */
export function configValue(config: unknown, key: string): unknown {
  return typeof config === 'object' && config !== null ? Reflect.get(config, key) : undefined;
}
