/** Published tensor names (MindSpore's) and ours. */
import { NameTable, nameScheme } from '../../checkpoint/index.js';

export const sparkNames = new NameTable(
  [
    ['transformer.embedding.word_embeddings.embedding_table', 'embedTokens.weight'],
    ['transformer.transformer.layers.{i}.layer_norm.gamma', 'layers.{i}.inputNorm.weight'],
    ['transformer.transformer.layers.{i}.layer_norm.beta', 'layers.{i}.inputNorm.bias'],
    ['transformer.transformer.layers.{i}.attention.q_proj.weight', 'layers.{i}.attention.qProj.weight'],
    ['transformer.transformer.layers.{i}.attention.q_proj.bias', 'layers.{i}.attention.qProj.bias'],
    ['transformer.transformer.layers.{i}.attention.k_proj.weight', 'layers.{i}.attention.kProj.weight'],
    ['transformer.transformer.layers.{i}.attention.k_proj.bias', 'layers.{i}.attention.kProj.bias'],
    ['transformer.transformer.layers.{i}.attention.v_proj.weight', 'layers.{i}.attention.vProj.weight'],
    ['transformer.transformer.layers.{i}.attention.v_proj.bias', 'layers.{i}.attention.vProj.bias'],
    ['transformer.transformer.layers.{i}.attention.out_proj.weight', 'layers.{i}.attention.outProj.weight'],
    ['transformer.transformer.layers.{i}.attention.out_proj.bias', 'layers.{i}.attention.outProj.bias'],
    ['transformer.transformer.layers.{i}.final_layer_norm.gamma', 'layers.{i}.postAttentionNorm.weight'],
    ['transformer.transformer.layers.{i}.final_layer_norm.beta', 'layers.{i}.postAttentionNorm.bias'],
    ['transformer.transformer.layers.{i}.mlp.fc0.weight', 'layers.{i}.mlp.fc0.weight'],
    ['transformer.transformer.layers.{i}.mlp.fc0.bias', 'layers.{i}.mlp.fc0.bias'],
    ['transformer.transformer.layers.{i}.mlp.fc1.weight', 'layers.{i}.mlp.fc1.weight'],
    ['transformer.transformer.layers.{i}.mlp.fc1.bias', 'layers.{i}.mlp.fc1.bias'],
    ['transformer.transformer.layers.{i}.mlp.fc2.weight', 'layers.{i}.mlp.fc2.weight'],
    ['transformer.transformer.layers.{i}.mlp.fc2.bias', 'layers.{i}.mlp.fc2.bias'],
    ['transformer.transformer.layernorm.gamma', 'finalNorm.weight'],
    ['transformer.transformer.layernorm.beta', 'finalNorm.bias'],
  ],
  // Mask buffers; where they hang depends on how the file was written.
  {
    ends: { embedding: 'embedTokens', finalNorm: 'finalNorm', head: undefined },
    skip: ['*.attention_mask', '*.slice_sparse_mask'],
  },
);

/** MindSpore's naming is the published one. */
export const sparkMindSporeScheme = nameScheme(sparkNames);

/** Megatron's: no `transformer.` in front, q, k, v in one matrix, fc0 and fc1 row by row in one. */
export const sparkMegatronScheme = nameScheme(
  new NameTable(
    [
      ['embedding.word_embeddings.weight', 'embedTokens.weight'],
      ['transformer.layers.{i}.layer_norm.weight', 'layers.{i}.inputNorm.weight'],
      ['transformer.layers.{i}.layer_norm.bias', 'layers.{i}.inputNorm.bias'],
      ['transformer.layers.{i}.attention.out_proj.weight', 'layers.{i}.attention.outProj.weight'],
      ['transformer.layers.{i}.attention.out_proj.bias', 'layers.{i}.attention.outProj.bias'],
      ['transformer.layers.{i}.final_layer_norm.weight', 'layers.{i}.postAttentionNorm.weight'],
      ['transformer.layers.{i}.final_layer_norm.bias', 'layers.{i}.postAttentionNorm.bias'],
      ['transformer.layers.{i}.mlp.fc2.weight', 'layers.{i}.mlp.fc2.weight'],
      ['transformer.layers.{i}.mlp.fc2.bias', 'layers.{i}.mlp.fc2.bias'],
      ['transformer.layernorm.weight', 'finalNorm.weight'],
      ['transformer.layernorm.bias', 'finalNorm.bias'],
    ],
    { skip: ['*._extra_state'] },
  ),
  ['weight', 'bias'].flatMap((kind) => [
    {
      name: `transformer.layers.{i}.attention.q_k_v_proj.${kind}`,
      parts: ['qProj', 'kProj', 'vProj'].map((part) => `layers.{i}.attention.${part}.${kind}`),
      order: 'stacked' as const,
    },
    {
      name: `transformer.layers.{i}.mlp.fc1.${kind}`,
      parts: ['fc0', 'fc1'].map((part) => `layers.{i}.mlp.${part}.${kind}`),
      order: 'interleaved' as const,
    },
  ]),
);
