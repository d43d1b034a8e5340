/** Published tensor names (Llama's) and ours. */
import { NameTable } from '../../checkpoint/index.js';

export const xverseNames = new NameTable(
  [
    ['model.embed_tokens.weight', 'embedTokens.weight'],
    ['model.layers.{i}.input_layernorm.weight', 'layers.{i}.inputNorm.weight'],
    ['model.layers.{i}.self_attn.q_proj.weight', 'layers.{i}.attention.qProj.weight'],
    ['model.layers.{i}.self_attn.k_proj.weight', 'layers.{i}.attention.kProj.weight'],
    ['model.layers.{i}.self_attn.v_proj.weight', 'layers.{i}.attention.vProj.weight'],
    ['model.layers.{i}.self_attn.o_proj.weight', 'layers.{i}.attention.oProj.weight'],
    ['model.layers.{i}.post_attention_layernorm.weight', 'layers.{i}.postAttentionNorm.weight'],
    ['model.layers.{i}.mlp.gate_proj.weight', 'layers.{i}.mlp.gateProj.weight'],
    ['model.layers.{i}.mlp.up_proj.weight', 'layers.{i}.mlp.upProj.weight'],
    ['model.layers.{i}.mlp.down_proj.weight', 'layers.{i}.mlp.downProj.weight'],
    ['model.norm.weight', 'finalNorm.weight'],
    ['lm_head.weight', 'lmHead.weight'],
  ],
  {
    ends: { embedding: 'embedTokens', finalNorm: 'finalNorm', head: 'lmHead' },
    skip: ['model.layers.{i}.self_attn.rotary_emb.inv_freq'],
  },
);
