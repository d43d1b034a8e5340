/** Keys of config.json that make another model of it, each refused by name with what it belongs to. */
import { z } from 'zod';

/** A key that makes another model of it, unless it says that there is no such thing. */
const refused = (key: string, of: string) =>
  z
    .unknown()
    .refine((value) => value === undefined || value === null || value === false || value === 0, {
      error: `${key} belongs to ${of}, which is another model and not read here`,
    })
    .optional();

const OF_EXPERTS =
  'num_local_experts num_experts num_experts_per_tok n_routed_experts n_shared_experts moe_intermediate_size ' +
  'shared_expert_intermediate_size moe_layer_freq decoder_sparse_step mlp_only_layers norm_topk_prob router_aux_loss_coef ' +
  'output_router_logits first_k_dense_replace moe_top_k num_shared_experts moe_num_experts';
const OF_LATENT_ATTENTION = 'kv_lora_rank q_lora_rank qk_nope_head_dim qk_rope_head_dim v_head_dim';
const OF_SCALES =
  'scale_emb scale_depth dim_model_base embedding_multiplier attention_multiplier residual_multiplier logits_scaling ' +
  'logit_scale final_logit_softcapping attn_logit_softcapping query_pre_attn_scalar';

export const foreignKeys = Object.fromEntries(
  (
    [
      [OF_EXPERTS, 'a mixture of experts'],
      [OF_LATENT_ATTENTION, 'multi-head latent attention'],
      [OF_SCALES, 'a model that scales or caps its activations'],
      ['no_rope_layers no_rope_layer_interval', 'a model some of whose layers have no positions'],
      ['vision_config audio_config text_config', 'a model of more than text'],
    ] as const
  ).flatMap(([keys, of]) => keys.split(' ').map((key) => [key, refused(key, of)])),
);
