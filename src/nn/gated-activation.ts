/** The gate of the families' MLPs: SwiGLU and its GELU sibling (Shazeer, arXiv 2002.05202). */
import { operator, type Tensor } from '../tensor/index.js';

const gated = operator('xinghe::gated_activation');

/**
 * activation(gate) * up; `gelu_tanh` is GELU in its tanh form.
 * @param gate [..., F] @param up [..., F]
 */
export function gatedActivation(gate: Tensor, up: Tensor, activation: 'silu' | 'gelu_tanh'): Tensor {
  return gated(gate, up, activation);
}
