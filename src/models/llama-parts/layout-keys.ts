/** Keys of config.json that every model in the Llama layout has, and the sizes that follow from them. */
import { z } from 'zod';
import { foreignKeys } from '../foreign-keys.js';
import type { ModelShape } from '../model-shape.js';
import { endTokenKey, llamaKeys, tokenIdKey, transformersKeys } from '../transformers-keys.js';
import { faultOfDivisors, type Rope, readRope, ropeKeys, rotationOf, stretchedLength } from './rope-keys.js';
import type { Rotation } from './rotation.js';

const positive = z.int().positive();

export const layoutKeys = {
  vocab_size: positive,
  hidden_size: positive,
  intermediate_size: positive,
  num_hidden_layers: positive,
  num_attention_heads: positive,
  rms_norm_eps: z.number().positive().default(1e-6),
  initializer_range: z.number().positive().default(0.02),
  tie_word_embeddings: z.boolean().default(false),
  hidden_act: z.literal('silu').default('silu'),
  eos_token_id: endTokenKey,
  bos_token_id: tokenIdKey,
  /** -1: none, as the first Llama's files have it. */
  pad_token_id: z.union([tokenIdKey, z.literal(-1)]),
  ...foreignKeys,
  ...llamaKeys,
  ...transformersKeys,
  ...ropeKeys,
  // Of no meaning: notes of those who made the file.
  is_llama_config: z.boolean().nullish(),
  'transformers.js_config': z.unknown().optional(),
  unsloth_version: z.string().nullish(),
  unsloth_fixed: z.boolean().nullish(),
};

/** What a family's config says of the layout, its own defaults filled in. */
export interface LayoutConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads?: number | null | undefined;
  readonly head_dim?: number | null | undefined;
  readonly max_position_embeddings: number;
  readonly tie_word_embeddings: boolean;
  readonly pad_token_id?: number | null | undefined;
  readonly rope_theta?: number | null | undefined;
  readonly rope_scaling?: Parameters<typeof readRope>[0]['rope_scaling'];
  readonly rope_parameters?: Parameters<typeof readRope>[0]['rope_parameters'];
  readonly rope_divisors?: readonly number[] | null | undefined;
}

type Refuse = (key: string, message: string) => void;

/** For `superRefine`: an issue at a key. */
export function refuseIn(context: z.core.$RefinementCtx): Refuse {
  return (key, message) => context.addIssue({ code: 'custom', path: [key], message });
}

/** Rules between keys. */
export function checkLayout(config: LayoutConfig, refuse: Refuse): void {
  const { hidden_size: hidden, num_attention_heads: heads, vocab_size: rows } = config;
  const kvHeads = config.num_key_value_heads ?? heads;
  if (heads % kvHeads !== 0)
    refuse(
      'num_key_value_heads',
      `num_attention_heads (${heads}) must be a multiple of num_key_value_heads (${kvHeads}), whose heads they share`,
    );
  const headDim = config.head_dim ?? hidden / heads;
  if (!Number.isInteger(headDim))
    refuse(
      'hidden_size',
      `hidden_size must be a multiple of num_attention_heads (${heads}), or head_dim be given`,
    );
  else if (headDim % 2 !== 0)
    refuse('head_dim', `head_dim (${headDim}) must be even: positions turn its halves against each other`);
  if ((config.pad_token_id ?? 0) >= rows)
    refuse(
      'pad_token_id',
      `pad_token_id must be below vocab_size (${rows}): it names a row of the embedding`,
    );
  const rope = readRope(config);
  if (typeof rope === 'string') refuse(config.rope_scaling ? 'rope_scaling' : 'rope_parameters', rope);
  else {
    const fault = faultOfDivisors(rope, headDim);
    if (fault !== undefined) refuse('rope_divisors', fault);
  }
}

/** Of a config that was checked. */
export function layoutRope(config: LayoutConfig): Rope {
  const rope = readRope(config);
  if (typeof rope === 'string') throw new TypeError(rope);
  return rope;
}

/** Of a config that was checked. */
export function layoutRotation(config: LayoutConfig): Rotation {
  return rotationOf(layoutRope(config), headDimOf(config), config.max_position_embeddings);
}

function headDimOf({
  head_dim: headDim,
  hidden_size: hidden,
  num_attention_heads: heads,
}: LayoutConfig): number {
  return headDim ?? hidden / heads;
}

/** Of a config that was checked. */
export function layoutShape(config: LayoutConfig): ModelShape {
  const { stretch } = layoutRope(config);
  const contextLength = stretchedLength(stretch, config.max_position_embeddings);
  return {
    numLayers: config.num_hidden_layers,
    numHeads: config.num_attention_heads,
    numKvHeads: config.num_key_value_heads ?? config.num_attention_heads,
    headDim: headDimOf(config),
    hiddenSize: config.hidden_size,
    intermediateSize: config.intermediate_size,
    vocabSize: config.vocab_size,
    contextLength,
    maxPositions: stretch.type === 'dynamic' ? undefined : contextLength,
    tied: config.tie_word_embeddings,
    norm: 'rms',
  };
}

/** undefined where the config names none. */
export function paddingIdOf({ pad_token_id: id }: LayoutConfig): number | undefined {
  return id === null || id === undefined || id < 0 ? undefined : id;
}
