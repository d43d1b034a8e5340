/** config.json of TeleChat3-36B. */
import { z } from 'zod';
import { checkLayout, layoutKeys, refuseIn } from '../llama-parts/layout-keys.js';

const positive = z.int().positive();

const ofTheSmallModel = (what: string): string =>
  `${what}, as in TeleChat3-1.8B, is not read here; the published class writes its default beside other sizes too, where it ` +
  'says nothing: leave the key out there';

export const telechat3ConfigSchema = z
  .strictObject({
    ...layoutKeys,
    model_type: z.literal('telechat3'),
    /** null: every head of queries has its own. */
    num_key_value_heads: positive.nullish(),
    /** The published class refuses anything but hidden_size / num_attention_heads. */
    head_dim: positive.nullable().default(128),
    max_position_embeddings: positive.default(2048),
    rms_norm_eps: layoutKeys.rms_norm_eps.default(1e-5),
    initializer_range: layoutKeys.initializer_range.default(0.0048),
    rope_theta: z.number().positive().default(1_000_000),
    /** Of all four projections of attention. */
    attention_bias: z.boolean().nullish(),
    mlp_bias: z.boolean().nullish(),
    bos_token_id: layoutKeys.bos_token_id.default(1),
    eos_token_id: layoutKeys.eos_token_id.default(2),
    /** Equal to hidden_size, or another model. */
    embedding_size: positive.nullish(),
    /** true is another model. */
    share_attention: z.boolean().nullish(),
    share_ffn: z.boolean().nullish(),
  })
  .superRefine((config, context) => {
    const refuse = refuseIn(context);
    checkLayout(config, refuse);
    const { hidden_size: hidden, num_attention_heads: heads } = config;
    if ((config.head_dim ?? hidden / heads) !== hidden / heads)
      refuse(
        'head_dim',
        `head_dim (128 where the key is absent) must be hidden_size / num_attention_heads (${hidden / heads})`,
      );
    if ((config.embedding_size ?? hidden) !== hidden)
      refuse('embedding_size', ofTheSmallModel('an embedding of another width than hidden_size'));
    if (config.share_attention === true)
      refuse('share_attention', ofTheSmallModel('attention that several layers share'));
    if (config.share_ffn === true) refuse('share_ffn', ofTheSmallModel('an MLP that several layers share'));
  });

export type Telechat3Config = z.output<typeof telechat3ConfigSchema>;
