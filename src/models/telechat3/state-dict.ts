/** TeleChat3's tensor names: Llama's as published, and those of MindFormers, which its convert_weight.py writes. */
import { NameTable, nameScheme } from '../../checkpoint/index.js';
import {
  ATTENTION_INPUT_BIASES,
  ATTENTION_OUTPUT_BIAS,
  llamaLayoutNames,
  MLP_BIASES,
} from '../llama-parts/tensor-names.js';

export const telechat3Names = llamaLayoutNames(ATTENTION_INPUT_BIASES, ATTENTION_OUTPUT_BIAS, MLP_BIASES);

const LINEARS = [
  ['attention.wq', 'attention.qProj'],
  ['attention.wk', 'attention.kProj'],
  ['attention.wv', 'attention.vProj'],
  ['attention.wo', 'attention.oProj'],
  ['feed_forward.w1', 'mlp.gateProj'],
  ['feed_forward.w3', 'mlp.upProj'],
  ['feed_forward.w2', 'mlp.downProj'],
] as const;

export const telechat3MindSporeScheme = nameScheme(
  new NameTable([
    ['model.tok_embeddings.embedding_weight', 'embedTokens.weight'],
    ['model.layers.{i}.attention_norm.weight', 'layers.{i}.inputNorm.weight'],
    ['model.layers.{i}.ffn_norm.weight', 'layers.{i}.postAttentionNorm.weight'],
    ...LINEARS.flatMap(([theirs, ours]) =>
      ['weight', 'bias'].map(
        (part) => [`model.layers.{i}.${theirs}.${part}`, `layers.{i}.${ours}.${part}`] as const,
      ),
    ),
    ['model.norm_out.weight', 'finalNorm.weight'],
    ['lm_head.weight', 'lmHead.weight'],
  ]),
);
