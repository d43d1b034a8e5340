/** TeleChat3 as transformers' Llama: the same tensors under the same names; its YaRN with the factor on cos and sin written out. */

import { layoutRope, layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { type LlamaForm, type LlamaRefusal, llamaForm } from '../llama-parts/llama-form.js';
import { llamaLayoutFormRows } from '../llama-parts/llama-rows.js';
import { transformersScaling } from '../llama-parts/transformers-scaling.js';
import type { Telechat3Config } from './config.js';
import { telechat3Names } from './state-dict.js';

export function telechat3Llama(config: Telechat3Config): LlamaForm | LlamaRefusal {
  const { base, stretch } = layoutRope(config);
  const scaling = transformersScaling(stretch);
  if (typeof scaling === 'string') return { unsupported: scaling };
  return llamaForm(layoutShape(config), {
    rows: llamaLayoutFormRows(telechat3Names),
    normEpsilon: config.rms_norm_eps,
    initializerRange: config.initializer_range,
    ropeBase: base,
    ropeScaling: scaling,
    maxPositions: config.max_position_embeddings,
    attentionBias: config.attention_bias ?? false,
    mlpBias: config.mlp_bias ?? false,
    tokens: { ...config, pad_token_id: paddingIdOf(config) },
  });
}
