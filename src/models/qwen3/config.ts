/** config.json of the dense Qwen3 models. */
import { z } from 'zod';
import { checkLayerWindows, layerWindowKeys } from '../llama-parts/layer-windows.js';
import { checkLayout, layoutKeys, refuseIn } from '../llama-parts/layout-keys.js';

const positive = z.int().positive();

export const qwen3ConfigSchema = z
  .strictObject({
    ...layoutKeys,
    ...layerWindowKeys,
    model_type: z.literal('qwen3'),
    /** null: as many as there are heads of queries. */
    num_key_value_heads: positive.nullable().default(32),
    /** Not hidden_size / num_attention_heads: the published class has 128. */
    head_dim: positive.default(128),
    max_position_embeddings: positive.default(32_768),
    /** Of all four projections of attention. */
    attention_bias: z.boolean().nullish(),
  })
  .superRefine((config, context) => {
    checkLayout(config, refuseIn(context));
    checkLayerWindows(config, refuseIn(context));
  });

export type Qwen3Config = z.output<typeof qwen3ConfigSchema>;
