/**
 * Published tensor names of the Llama layout and our paths. A family's table is made of the rows of what its models may
 * have.
 */
import { type NameRow, NameTable } from '../../checkpoint/index.js';

const PLAIN: readonly NameRow[] = [
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
];

export const ATTENTION_INPUT_BIASES: readonly NameRow[] = [
  ['model.layers.{i}.self_attn.q_proj.bias', 'layers.{i}.attention.qProj.bias'],
  ['model.layers.{i}.self_attn.k_proj.bias', 'layers.{i}.attention.kProj.bias'],
  ['model.layers.{i}.self_attn.v_proj.bias', 'layers.{i}.attention.vProj.bias'],
];

export const ATTENTION_OUTPUT_BIAS: readonly NameRow[] = [
  ['model.layers.{i}.self_attn.o_proj.bias', 'layers.{i}.attention.oProj.bias'],
];

export const MLP_BIASES: readonly NameRow[] = [
  ['model.layers.{i}.mlp.gate_proj.bias', 'layers.{i}.mlp.gateProj.bias'],
  ['model.layers.{i}.mlp.up_proj.bias', 'layers.{i}.mlp.upProj.bias'],
  ['model.layers.{i}.mlp.down_proj.bias', 'layers.{i}.mlp.downProj.bias'],
];

export const HEAD_NORMS: readonly NameRow[] = [
  ['model.layers.{i}.self_attn.q_norm.weight', 'layers.{i}.attention.qNorm.weight'],
  ['model.layers.{i}.self_attn.k_norm.weight', 'layers.{i}.attention.kNorm.weight'],
];

/** Buffers of older files, one a layer or one for all. */
const FREQUENCIES = ['model.layers.{i}.self_attn.rotary_emb.inv_freq', 'model.rotary_emb.inv_freq'];

/** @param more rows beside those that every model has */
export function llamaLayoutNames(...more: readonly (readonly NameRow[])[]): NameTable {
  return new NameTable([...PLAIN, ...more.flat()], { skip: FREQUENCIES });
}
