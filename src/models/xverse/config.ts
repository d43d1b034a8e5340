/** XVERSE's config.json (and that of any model in the plain Llama layout with these keys). */
import { z } from 'zod';
import { foreignKeys } from '../foreign-keys.js';
import type { ModelShape } from '../model-shape.js';
import { endTokenKey, llamaKeys, tokenIdKey, transformersKeys } from '../transformers-keys.js';
import { type XverseRotation, xverseRotation } from './rotation.js';

const positive = z.int().positive();
const rotationName = z.enum(['default', 'dynamic'], {
  error: 'only "default" and "dynamic": the published code knows no other rotation',
});

/** How positions turn queries and keys, as transformers spells it. */
const rotationKey = z.strictObject({
  rope_type: rotationName.optional(),
  type: rotationName.optional(),
  factor: z.number().min(1).nullish(),
  rope_theta: z.number().positive().nullish(),
  original_max_position_embeddings: z.null().optional(),
  partial_rotary_factor: z.literal(1).nullish(),
});

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
    rope_theta: z.number().positive().nullish(),
    rope_scaling: rotationKey.nullish(),
    /** Where transformers 5 writes both. */
    rope_parameters: rotationKey.nullish(),
    bos_token_id: tokenIdKey,
    eos_token_id: endTokenKey,
    pad_token_id: tokenIdKey,
    // One value only: the others are a different model.
    num_key_value_heads: positive.nullish(),
    head_dim: positive.nullish(),
    ...foreignKeys,
    ...llamaKeys,
    ...transformersKeys,
    // No meaning here.
    max_tokenizer_truncation: z.int().nullish(),
  })
  .superRefine((config, context) => {
    const refuse = (key: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [key], message });
    const { hidden_size: hidden, num_attention_heads: heads } = config;
    if (hidden % (2 * heads) !== 0)
      refuse('hidden_size', 'hidden_size must be a multiple of 2 * num_attention_heads (an even head_dim)');
    if ((config.num_key_value_heads ?? heads) !== heads)
      refuse('num_key_value_heads', `must be num_attention_heads (${heads}): no queries share keys here`);
    if ((config.head_dim ?? hidden / heads) !== hidden / heads)
      refuse('head_dim', `must be hidden_size / num_attention_heads (${hidden / heads})`);
    const rotation = xverseRotation(config);
    if (typeof rotation === 'string') refuse('rope_scaling', rotation);
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
    // Under dynamic NTK the rotary base follows the length.
    maxPositions: checkedRotation(config).dynamic === undefined ? config.max_position_embeddings : undefined,
    tied: config.tie_word_embeddings,
    norm: 'rms',
  };
}

/** Of a config that was parsed. */
export function checkedRotation(config: XverseConfig): XverseRotation {
  const rotation = xverseRotation(config);
  if (typeof rotation === 'string') throw new TypeError(rotation);
  return rotation;
}
