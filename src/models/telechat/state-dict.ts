/** Published tensor names and ours. 7B files leave the `transformer.` away. */
import { NameTable, nameScheme } from '../../checkpoint/index.js';

export const telechatNames = new NameTable(
  [
    ['transformer.word_embeddings.weight', 'embedTokens.weight'],
    ['transformer.h.{i}.input_layernorm.weight', 'layers.{i}.inputNorm.weight'],
    ['transformer.h.{i}.self_attention.query.weight', 'layers.{i}.attention.query.weight'],
    ['transformer.h.{i}.self_attention.key_value.weight', 'layers.{i}.attention.keyValue.weight'],
    ['transformer.h.{i}.self_attention.dense.weight', 'layers.{i}.attention.dense.weight'],
    ['transformer.h.{i}.self_attention.dense.bias', 'layers.{i}.attention.dense.bias'],
    ['transformer.h.{i}.post_attention_layernorm.weight', 'layers.{i}.postAttentionNorm.weight'],
    ['transformer.h.{i}.mlp.gate_proj.weight', 'layers.{i}.mlp.gateProj.weight'],
    ['transformer.h.{i}.mlp.up_proj.weight', 'layers.{i}.mlp.upProj.weight'],
    ['transformer.h.{i}.mlp.down_proj.weight', 'layers.{i}.mlp.downProj.weight'],
    ['transformer.h.{i}.mlp.down_proj.bias', 'layers.{i}.mlp.downProj.bias'],
    ['transformer.ln_f.weight', 'finalNorm.weight'],
    ['lm_head.weight', 'lmHead.weight'],
  ],
  {
    ends: { embedding: 'embedTokens', finalNorm: 'finalNorm', head: 'lmHead' },
    optionalPrefix: 'transformer.',
  },
);

/** The naming of TeleChat in MindFormers, which its convert_weight.py writes. */
export const telechatMindSporeScheme = nameScheme(
  new NameTable([
    ['model.tok_embeddings.embedding_weight', 'embedTokens.weight'],
    ['model.layers.{i}.attention_norm.weight', 'layers.{i}.inputNorm.weight'],
    ['model.layers.{i}.attention.wq.weight', 'layers.{i}.attention.query.weight'],
    ['model.layers.{i}.attention.wk_v.weight', 'layers.{i}.attention.keyValue.weight'],
    ['model.layers.{i}.attention.wo.weight', 'layers.{i}.attention.dense.weight'],
    ['model.layers.{i}.attention.wo.bias', 'layers.{i}.attention.dense.bias'],
    ['model.layers.{i}.ffn_norm.weight', 'layers.{i}.postAttentionNorm.weight'],
    ['model.layers.{i}.feed_forward.w1.weight', 'layers.{i}.mlp.gateProj.weight'],
    ['model.layers.{i}.feed_forward.w3.weight', 'layers.{i}.mlp.upProj.weight'],
    ['model.layers.{i}.feed_forward.w2.weight', 'layers.{i}.mlp.downProj.weight'],
    ['model.layers.{i}.feed_forward.w2.bias', 'layers.{i}.mlp.downProj.bias'],
    ['model.norm_out.weight', 'finalNorm.weight'],
    ['lm_head.weight', 'lmHead.weight'],
  ]),
);
