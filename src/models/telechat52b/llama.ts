/**
 * TeleChat-52B as transformers' Llama: matrices transposed, q|k|v and gate|up taken apart, muP's factors in embedding and output
 * projection. Llama's rotation is TeleChat's up to 4096 tokens.
 */
import { type LlamaForm, llamaForm } from '../llama-parts/llama-form.js';
import { llamaEndRows } from '../llama-parts/llama-rows.js';
import { type Telechat52bConfig, telechat52bShape } from './config.js';
import { fusedRow, mupFactors } from './gguf.js';
import { NTK_UNIT } from './model.js';
import { telechat52bNames } from './state-dict.js';

export function telechat52bLlama(config: Telechat52bConfig): LlamaForm {
  const names = (...parts: readonly string[]): string[] =>
    parts.map((part) => `model.layers.{i}.${part}.weight`);
  return llamaForm(telechat52bShape(config), {
    rows: [
      ...llamaEndRows(telechat52bNames),
      fusedRow('attention.cAttn', names('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj')),
      fusedRow('attention.cProj', names('self_attn.o_proj')),
      fusedRow('mlp.cFc', names('mlp.gate_proj', 'mlp.up_proj')),
      fusedRow('mlp.cProj', names('mlp.down_proj')),
    ],
    factors: mupFactors(config),
    normEpsilon: config.layer_norm_epsilon,
    initializerRange: config.initializer_range,
    ropeBase: config.rotary_theta,
    maxPositions: NTK_UNIT,
    tokens: config,
    remarks: [`texts end at ${NTK_UNIT} tokens: beyond them TeleChat-52B changes its rotation`],
  });
}
