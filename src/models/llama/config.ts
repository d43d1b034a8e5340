/** config.json of Llama 1 to 3, and of what is published as one: SmolLM, Yi, TinyLlama, Vicuna. */
import { z } from 'zod';
import { checkLayout, layoutKeys, refuseIn } from '../llama-parts/layout-keys.js';

const positive = z.int().positive();

export const llamaConfigSchema = z
  .strictObject({
    ...layoutKeys,
    model_type: z.literal('llama'),
    /** Absent in the first Llama's files: every head of queries has its own. */
    num_key_value_heads: positive.nullish(),
    head_dim: positive.nullish(),
    max_position_embeddings: positive.default(2048),
    /** Of all four projections of attention. */
    attention_bias: z.boolean().nullish(),
    mlp_bias: z.boolean().nullish(),
    /** Of no meaning: Vicuna's note of the stretched length. */
    max_sequence_length: positive.nullish(),
    bos_token_id: layoutKeys.bos_token_id.default(1),
    eos_token_id: layoutKeys.eos_token_id.default(2),
  })
  .superRefine((config, context) => checkLayout(config, refuseIn(context)));

export type LlamaConfig = z.output<typeof llamaConfigSchema>;
