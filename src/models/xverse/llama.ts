/** XVERSE as transformers' Llama: the same tensors under the same names. */
import { type LlamaForm, llamaForm } from '../llama-parts/llama-form.js';
import { llamaLayoutFormRows } from '../llama-parts/llama-rows.js';
import { llamaLayoutNames } from '../llama-parts/tensor-names.js';
import { checkedRotation, type XverseConfig, xverseShape } from './config.js';

export function xverseLlama(config: XverseConfig): LlamaForm {
  const { base, dynamic } = checkedRotation(config);
  return llamaForm(xverseShape(config), {
    rows: llamaLayoutFormRows(llamaLayoutNames()),
    normEpsilon: config.rms_norm_eps,
    initializerRange: config.initializer_range,
    ropeBase: base,
    ropeScaling: dynamic === undefined ? undefined : { rope_type: 'dynamic', factor: dynamic.factor },
    maxPositions: config.max_position_embeddings,
    tokens: config,
    remarks: [
      'in bfloat16 and float16 Llama rounds its norms before the weight, XVERSE after it: the last bits differ',
    ],
  });
}
