/** Published tensor names (GPT-2's) and ours. */
import { NameTable } from '../../checkpoint/index.js';

export const telechat52bNames = new NameTable(
  [
    ['transformer.wte.weight', 'embedTokens.weight'],
    ['transformer.h.{i}.ln_1.weight', 'layers.{i}.inputNorm.weight'],
    ['transformer.h.{i}.attn.c_attn.weight', 'layers.{i}.attention.cAttn.weight'],
    ['transformer.h.{i}.attn.c_proj.weight', 'layers.{i}.attention.cProj.weight'],
    ['transformer.h.{i}.ln_2.weight', 'layers.{i}.postAttentionNorm.weight'],
    ['transformer.h.{i}.mlp.c_fc.weight', 'layers.{i}.mlp.cFc.weight'],
    ['transformer.h.{i}.mlp.c_proj.weight', 'layers.{i}.mlp.cProj.weight'],
    ['transformer.ln_f.weight', 'finalNorm.weight'],
    ['lm_head.weight', 'lmHead.weight'],
  ],
  {
    ends: { embedding: 'embedTokens', finalNorm: 'finalNorm', head: 'lmHead' },
    skip: ['*.attn.bias', '*.attn.masked_bias', '*.wpe.inv_freq'],
  },
);
