/** config.json of Mistral 7B and what is published as one (Zephyr, Mistral Nemo). */
import { z } from 'zod';
import { checkLayout, layoutKeys, refuseIn } from '../llama-parts/layout-keys.js';

const positive = z.int().positive();

export const mistralConfigSchema = z
  .strictObject({
    ...layoutKeys,
    model_type: z.literal('mistral'),
    /** null: as many as there are heads of queries. */
    num_key_value_heads: positive.nullable().default(8),
    head_dim: positive.nullish(),
    max_position_embeddings: positive.default(131_072),
    /** Of every layer; null: none. Where the key is absent, the published class has a window. */
    sliding_window: positive.nullable().default(4096),
    bos_token_id: layoutKeys.bos_token_id.default(1),
    eos_token_id: layoutKeys.eos_token_id.default(2),
    layer_types: z.null().optional(), // sliding_window holds for every layer.
  })
  .superRefine((config, context) => checkLayout(config, refuseIn(context)));

export type MistralConfig = z.output<typeof mistralConfigSchema>;
