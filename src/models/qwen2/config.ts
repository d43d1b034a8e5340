/** config.json of Qwen2 and Qwen2.5, and of what is made of them. */
import { z } from 'zod';
import { checkLayerWindows, layerWindowKeys } from '../llama-parts/layer-windows.js';
import { checkLayout, layoutKeys, refuseIn } from '../llama-parts/layout-keys.js';

const positive = z.int().positive();

export const qwen2ConfigSchema = z
  .strictObject({
    ...layoutKeys,
    ...layerWindowKeys,
    model_type: z.literal('qwen2'),
    /** null: as many as there are heads of queries. */
    num_key_value_heads: positive.nullable().default(32),
    head_dim: positive.nullish(),
    max_position_embeddings: positive.default(32_768),
    /** Positions of three axes, for pictures. */
    use_mrope: z.literal(false).nullish(),
    attention_bias: z.null().optional(), // q, k and v always have biases, o never.
  })
  .superRefine((config, context) => {
    checkLayout(config, refuseIn(context));
    checkLayerWindows(config, refuseIn(context));
  });

export type Qwen2Config = z.output<typeof qwen2ConfigSchema>;
