/** XVERSE-13B's config.json (and that of any model in the plain Llama layout with these keys). */
import { z } from 'zod';
import type { ModelShape } from '../model-shape.js';

const positive = z.int().positive();
const tokenId = z.int().nonnegative();

export const xverseConfigSchema = z
  .strictObject({
    model_type: z.literal('xverse'),
    vocab_size: positive,
    hidden_size: positive,
    intermediate_size: positive,
    num_hidden_layers: positive,
    num_attention_heads: positive,
    max_position_embeddings: positive.default(8192),
    rms_norm_eps: z.number().positive().default(1e-6),
    initializer_range: z.number().positive().default(0.02),
    tie_word_embeddings: z.boolean().default(false),
    hidden_act: z.literal('silu').default('silu'),
    rope_theta: z.number().positive().default(10000),
    bos_token_id: tokenId.optional(),
    eos_token_id: tokenId.optional(),
    pad_token_id: tokenId.nullish(),
    // No meaning here.
    architectures: z.array(z.string()).optional(),
    auto_map: z.record(z.string(), z.string()).optional(),
    max_tokenizer_truncation: z.int().optional(),
    torch_dtype: z.string().optional(),
    transformers_version: z.string().optional(),
    use_cache: z.boolean().optional(),
    _name_or_path: z.string().optional(),
  })
  .refine((config) => config.hidden_size % (2 * config.num_attention_heads) === 0, {
    message: 'hidden_size must be a multiple of 2 * num_attention_heads (an even head_dim)',
    path: ['hidden_size'],
  });

export type XverseConfig = z.output<typeof xverseConfigSchema>;

export function xverseShape(config: XverseConfig): ModelShape {
  return {
    numLayers: config.num_hidden_layers,
    numHeads: config.num_attention_heads,
    numKvHeads: config.num_attention_heads,
    headDim: config.hidden_size / config.num_attention_heads,
    hiddenSize: config.hidden_size,
    intermediateSize: config.intermediate_size,
    vocabSize: config.vocab_size,
    contextLength: config.max_position_embeddings,
    maxPositions: config.max_position_embeddings,
    tied: config.tie_word_embeddings,
    norm: 'rms',
  };
}
