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
    attention_bias: z
      .null({
        error: 'attention_bias: a qwen2 has biases on q, k and v and none on o, whatever it says; remove it',
      })
      .optional(),
  })
  .superRefine((config, context) => {
    checkLayout(config, refuseIn(context));
    checkLayerWindows(config, refuseIn(context));
  });

export type Qwen2Config = z.output<typeof qwen2ConfigSchema>;
