/** config.json of TeleChat-52B, GPT-2's keys. */
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

export const telechat52bConfigSchema = z
  .strictObject({
    model_type: z.literal('telechat'),
    vocab_size: positive,
    n_embd: positive,
    n_inner: positive,
    n_layer: positive,
    n_head: positive,
    /** Length of training; the rotary base grows beyond it. */
    n_positions: positive.default(4096),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    initializer_range: z.number().positive().default(0.02),
    rotary_theta: z.number().positive().default(10000),
    use_mup: z.boolean().default(false),
    input_mult: z.number().default(1),
    output_mult: z.number().default(1),
    mup_scale_factor: z.number().positive().default(1),
    bos_token_id: tokenIdKey,
    eos_token_id: endTokenKey,
    pad_token_id: tokenIdKey,
    ...foreignKeys,
    ...transformersKeys,
    rope_scaling: plainRopeScaling,
    // One value only: the others are a different model. (The published class has other defaults: state them.)
    activation_function: z.literal('silu'),
    add_bias_linear: z.literal(false),
    relative_encoding: z.literal('rotary'),
    rotary_use_xpos: z.literal(false),
    use_RMSNorm: z.literal(true),
    scale_attn_weights: z.literal(true).default(true),
    tie_word_embeddings: z.literal(false).default(false),
    // No meaning here: there is no dropout, and how attention is computed is the engine's choice.
    attn_pdrop: dropoutRate,
    embd_pdrop: dropoutRate,
    resid_pdrop: dropoutRate,
    scale_attn_by_inverse_layer_idx: z.boolean().optional(), // divides and multiplies back
    enable_flash_attn: z.boolean().optional(),
    mup_base_width: z.int().optional(),
    reorder_and_upcast_attn: z.boolean().optional(),
    rotary_xpos_scale_base: z.int().optional(),
    summary_activation: z.string().nullish(),
    summary_first_dropout: dropoutRate,
    summary_proj_to_labels: z.boolean().optional(),
    summary_type: z.string().optional(),
    summary_use_proj: z.boolean().optional(),
  })
  .refine((config) => config.n_embd % (2 * config.n_head) === 0, {
    message: 'n_embd must be a multiple of 2 * n_head (an even head_dim)',
    path: ['n_embd'],
  });

export type Telechat52bConfig = z.output<typeof telechat52bConfigSchema>;

export function telechat52bShape(config: Telechat52bConfig): ModelShape {
  return {
    numLayers: config.n_layer,
    numHeads: config.n_head,
    numKvHeads: config.n_head,
    headDim: config.n_embd / config.n_head,
    hiddenSize: config.n_embd,
    intermediateSize: config.n_inner,
    vocabSize: config.vocab_size,
    contextLength: config.n_positions,
    maxPositions: undefined, // The rotary base follows the length (published claim: twice n_positions).
    tied: false,
    norm: 'rms',
  };
}
