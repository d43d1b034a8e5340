/** config.json of TeleChat-1B, 7B and 12B, and of TeleChat2. */
import { z } from 'zod';
import { foreignKeys } from '../foreign-keys.js';
import type { ModelShape } from '../model-shape.js';
import {
  dropoutRate,
  endTokenKey,
  plainRopeScaling,
  tokenIdKey,
  transformersKeys,
} from '../transformers-keys.js';

const positive = z.int().positive();

export const telechatConfigSchema = z
  .strictObject({
    model_type: z.literal('telechat'),
    vocab_size: positive,
    hidden_size: positive,
    ffn_hidden_size: positive,
    n_layer: positive,
    n_head: positive,
    /** Heads of keys and values, of TeleChat2-115B; absent or null: as many as n_head. */
    num_key_value_heads: positive.nullish(),
    seq_length: positive.default(8192),
    /** Length of training: the rotary scale grows beyond it. */
    training_seqlen: positive.default(8192),
    /** Length from which on the rotary base grows; a constant of the code before TeleChat2. */
    base_seqlen: positive.default(8192),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    initializer_range: z.number().positive().default(0.02),
    /** The published 7B config leaves it away and is tied. */
    tie_word_embeddings: z.boolean().default(true),
    bos_token_id: tokenIdKey,
    eos_token_id: endTokenKey,
    pad_token_id: tokenIdKey,
    ...foreignKeys,
    ...transformersKeys,
    rope_scaling: plainRopeScaling,
    // One value only: the others are a different model.
    apply_residual_connection_post_layernorm: z.literal(false).default(false),
    embed_layernorm: z.literal(false).default(false),
    logn: z.literal(false).default(false),
    semi_causal: z.literal(false).default(false),
    skip_bias_add_qkv: z.literal(false).default(false),
    // No meaning here: there is no dropout, and how attention is computed is the engine's choice.
    attention_dropout: dropoutRate,
    hidden_dropout: dropoutRate,
    attention_softmax_in_fp32: z.boolean().optional(),
    bias_dropout_fusion: z.boolean().optional(),
    flash_attn: z.boolean().optional(),
    masked_softmax_fusion: z.boolean().optional(),
    n_inner: z.int().nullish(),
    offset_alibi: z.int().optional(),
    skip_bias_add: z.boolean().optional(),
    slow_but_exact: z.boolean().optional(),
  })
  .refine((config) => config.hidden_size % (2 * config.n_head) === 0, {
    message: 'hidden_size must be a multiple of 2 * n_head (an even head_dim)',
    path: ['hidden_size'],
  })
  .refine((config) => config.n_head % (config.num_key_value_heads ?? config.n_head) === 0, {
    message: 'n_head must be a multiple of num_key_value_heads, whose heads they share',
    path: ['num_key_value_heads'],
  });

export type TelechatConfig = z.output<typeof telechatConfigSchema>;

export function telechatShape(config: TelechatConfig): ModelShape {
  return {
    numLayers: config.n_layer,
    numHeads: config.n_head,
    numKvHeads: config.num_key_value_heads ?? config.n_head,
    headDim: config.hidden_size / config.n_head,
    hiddenSize: config.hidden_size,
    intermediateSize: config.ffn_hidden_size,
    vocabSize: config.vocab_size,
    contextLength: config.seq_length,
    maxPositions: undefined, // The rotary base follows the length (published claim: 96K).
    tied: config.tie_word_embeddings,
    norm: 'rms',
  };
}
