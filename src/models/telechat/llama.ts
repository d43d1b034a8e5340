/**
 * TeleChat as transformers' Llama: keys and values taken apart, and biases of zero beside the two that it has. Llama's rotation is
 * TeleChat's up to the length of training.
 */
import { type LlamaForm, llamaForm } from '../llama-parts/llama-form.js';
import { llamaEndRows, llamaLinearRows } from '../llama-parts/llama-rows.js';
import { type TelechatConfig, telechatShape } from './config.js';
import { keyValueRow } from './gguf.js';
import { telechatRopeBase } from './model.js';
import { telechatNames } from './state-dict.js';

export function telechatLlama(config: TelechatConfig): LlamaForm {
  const shape = telechatShape(config);
  return llamaForm(shape, {
    rows: [
      ...llamaEndRows(telechatNames),
      ...llamaLinearRows({
        'self_attn.q_proj': 'attention.query',
        'self_attn.o_proj': 'attention.dense',
        'mlp.gate_proj': 'mlp.gateProj',
        'mlp.up_proj': 'mlp.upProj',
        'mlp.down_proj': 'mlp.downProj',
      }),
      ...llamaLinearRows({ 'self_attn.o_proj': 'attention.dense', 'mlp.down_proj': 'mlp.downProj' }, 'bias'),
      keyValueRow(shape.numKvHeads, {
        names: ['model.layers.{i}.self_attn.k_proj.weight', 'model.layers.{i}.self_attn.v_proj.weight'],
      }),
    ],
    normEpsilon: config.layer_norm_epsilon,
    initializerRange: config.initializer_range,
    ropeBase: telechatRopeBase(config, config.training_seqlen),
    maxPositions: config.training_seqlen,
    attentionBias: true,
    mlpBias: true,
    zeroBiases: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'mlp.gate_proj', 'mlp.up_proj'],
    tokens: config,
    remarks: [
      `texts end at ${config.training_seqlen} tokens, the length of training: beyond it TeleChat changes its rotation`,
    ],
  });
}
