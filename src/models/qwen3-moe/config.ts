/** config.json of the Qwen3 models whose MLPs are mixtures of experts. */
import { z } from 'zod';
import { checkLayout, layoutKeys, refuseIn } from '../llama-parts/layout-keys.js';
import type { ExpertsShape } from '../model-shape.js';

const positive = z.int().positive();

/** The published class has these. */
const DEFAULT_EXPERTS = 128;
const DEFAULT_WINDOW = 4096;

export const qwen3MoeConfigSchema = z
  .strictObject({
    ...layoutKeys,
    model_type: z.literal('qwen3_moe'),
    /** Of the layers that have no experts. */
    intermediate_size: positive.default(6144),
    /** null: as many as there are heads of queries. */
    num_key_value_heads: positive.nullable().default(4),
    /** Default: hidden_size / num_attention_heads. */
    head_dim: positive.nullish(),
    max_position_embeddings: positive.default(32_768),
    /** Of all four projections of attention. */
    attention_bias: z.boolean().nullish(),
    /** Of every layer: layer_types and max_window_layers decide nothing in the published class. */
    use_sliding_window: z.boolean().nullish(),
    sliding_window: positive.nullable().default(DEFAULT_WINDOW),

    /** Newer versions of transformers write the second. */
    num_experts: positive.optional(),
    num_local_experts: positive.optional(),
    num_experts_per_tok: positive.default(8),
    moe_intermediate_size: positive.default(768),
    norm_topk_prob: z.boolean().default(false),
    /** Every n-th layer has experts: those whose number from 1 it divides. */
    decoder_sparse_step: positive.default(1),
    /** Numbers from 0 of layers that have an MLP all the same. */
    mlp_only_layers: z.array(z.int().nonnegative()).nullish(),
    /** Is the load-balancing loss a part of the loss of training? */
    output_router_logits: z.boolean().default(false),
    router_aux_loss_coef: z.number().nonnegative().default(0.001),
  })
  .superRefine((config, context) => {
    const refuse = refuseIn(context);
    checkLayout(config, refuse);
    const { num_experts: experts, num_local_experts: local, num_hidden_layers: layers } = config;
    if (experts !== undefined && local !== undefined && experts !== local)
      refuse(
        'num_local_experts',
        `num_local_experts (${local}) must be num_experts (${experts}): both name them`,
      );
    const count = expertCount(config);
    if (config.num_experts_per_tok > count)
      refuse(
        'num_experts_per_tok',
        `num_experts_per_tok (${config.num_experts_per_tok}) must be at most num_experts (${count}): a token is read by ` +
          'different ones',
      );
    const beyond = config.mlp_only_layers?.find((layer) => layer >= layers);
    if (beyond !== undefined)
      refuse('mlp_only_layers', `mlp_only_layers names layer ${beyond}; there are layers 0 to ${layers - 1}`);
  });

export type Qwen3MoeConfig = z.output<typeof qwen3MoeConfigSchema>;

function expertCount({
  num_experts: experts,
  num_local_experts: local,
}: Pick<Qwen3MoeConfig, 'num_experts' | 'num_local_experts'>): number {
  return experts ?? local ?? DEFAULT_EXPERTS;
}

export function expertsShape(config: Qwen3MoeConfig): ExpertsShape {
  return {
    count: expertCount(config),
    perToken: config.num_experts_per_tok,
    intermediateSize: config.moe_intermediate_size,
  };
}

/** Does the layer have experts in the place of its MLP? */
export function isSparseLayer(
  { decoder_sparse_step: step, mlp_only_layers: dense }: Qwen3MoeConfig,
  layer: number,
): boolean {
  return dense?.includes(layer) !== true && (layer + 1) % step === 0;
}

/** The tokens that a query sees at most, in every layer; undefined: all. */
export function windowOf({
  use_sliding_window: isUsed,
  sliding_window: window,
}: Qwen3MoeConfig): number | undefined {
  return isUsed === true && window !== null ? window : undefined;
}
