/** What a family declares about its tensors: namings, sharding, and which stay float32. */
import type { NameScheme } from './name-scheme.js';
import type { NameTable } from './name-table.js';
import type { ShardingTable } from './sharding-table.js';

/**
 * Spellings of a family's tensors. published: as its authors ship it; own: our module paths; megatron, mindspore: those of
 * the frameworks; gguf: llama.cpp's, which needs a model's config (it turns rows of each head).
 */
export const TENSOR_NAMINGS = ['published', 'own', 'megatron', 'mindspore', 'gguf'] as const;

export type TensorNaming = (typeof TENSOR_NAMINGS)[number];

export interface WeightTables {
  /** The published naming. */
  readonly names: NameTable;
  readonly schemes: ReadonlyMap<TensorNaming, NameScheme>;
  readonly sharding: ShardingTable;
  /** Stays float32 when a checkpoint is cast, unless asked otherwise. Default: nothing. */
  readonly keepsFloat32?: (path: string) => 'embedding' | 'norm' | undefined;
}
