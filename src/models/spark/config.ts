/**
 * iFlytekSpark's model section: a published run file (model.model_config), that section alone, or what is in it.
 * The other sections of a run file are the trainer's.
 */
import { z } from 'zod';
import { configValue } from '../family.js';
import type { ModelShape } from '../model-shape.js';
import { endTokenKey, plainRopeScaling, tokenIdKey, transformersKeys } from '../transformers-keys.js';

const positive = z.int().positive();
const computeType = z.enum(['float32', 'float16', 'bfloat16']);

/** The mapping that the schema describes, wherever it lies in the file. */
export function sparkSection(config: unknown): unknown {
  const model = configValue(config, 'model') ?? config;
  return configValue(model, 'model_config') ?? model;
}

export const sparkConfigSchema = z
  .strictObject({
    type: z.literal('IFlytekSparkConfig'),
    vocab_size: positive,
    hidden_size: positive,
    /** Gate half and up half together. */
    ffn_hidden_size: positive.refine((size) => size % 2 === 0, { message: 'ffn_hidden_size must be even' }),
    num_layers: positive,
    num_heads: positive,
    seq_length: positive.default(32768),
    /** Tokens that a query sees, itself included. */
    sparse_local_size: positive.default(8192),
    layernorm_epsilon: z.number().positive().default(1e-5),
    bos_token_id: tokenIdKey,
    eos_token_id: endTokenKey,
    pad_token_id: tokenIdKey,
    ...transformersKeys,
    rope_scaling: plainRopeScaling,
    /** A score of the last token in the place of logits; see reward-model.ts. */
    is_reward_model: z.boolean().default(false),
    // One value only: the others are a different model.
    hidden_act: z.literal('fast_gelu').default('fast_gelu'),
    dropout_rate: z.literal(0).default(0),
    post_layernorm_residual: z.literal(false).default(false),
    apply_residual_connection_post_layernorm: z.literal(false).default(false),
    // No meaning here: precision is chosen at load, the rest belongs to training, LoRA or generation.
    compute_type: computeType.optional(),
    softmax_compute_type: computeType.optional(),
    layernorm_compute_type: computeType.optional(),
    embedding_init_type: computeType.optional(),
    param_init_type: computeType.optional(),
    ignore_token_id: z.int().optional(),
    batch_size: positive.optional(),
    offset: z.union([z.int(), z.array(z.int())]).optional(),
    seq_parallel: z.boolean().optional(),
    use_past: z.boolean().optional(),
    eod_reset: z.boolean().optional(),
    enable_offload: z.boolean().optional(),
    flash_attention_recompute: z.boolean().optional(),
    is_dynamic: z.boolean().optional(),
    is_lite_infer: z.boolean().optional(),
    checkpoint_name_or_path: z.string().nullish(),
    repetition_penalty_increase: z.number().optional(),
    pet_config: z.record(z.string(), z.unknown()).optional(),
  })
  .refine((config) => config.hidden_size % (2 * config.num_heads) === 0, {
    message: 'hidden_size must be a multiple of 2 * num_heads (an even head_dim)',
    path: ['hidden_size'],
  });

export type SparkConfig = z.output<typeof sparkConfigSchema>;

export function sparkShape(config: SparkConfig): ModelShape {
  return {
    numLayers: config.num_layers,
    numHeads: config.num_heads,
    numKvHeads: config.num_heads,
    headDim: config.hidden_size / config.num_heads,
    hiddenSize: config.hidden_size,
    intermediateSize: config.ffn_hidden_size / 2,
    vocabSize: config.vocab_size,
    contextLength: config.seq_length,
    maxPositions: config.seq_length,
    tied: true,
    norm: 'layer',
  };
}
