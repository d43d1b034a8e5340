/** Llama's MLP: down(silu(gate(x)) * up(x)). Shapes: B batch, T tokens, D hidden, F intermediate. */
import { DenseLinear, gatedActivation, type Linear, Module, projectTogether } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { ModelShape } from '../model-shape.js';

export class SwigluMlp extends Module {
  readonly gateProj: Linear; // D -> F
  readonly upProj: Linear; // D -> F
  readonly downProj: Linear; // F -> D

  /** @param options.bias of all three matrices; default false */
  constructor({ hiddenSize, intermediateSize }: ModelShape, { bias = false }: { bias?: boolean } = {}) {
    super();
    this.gateProj = new DenseLinear(hiddenSize, intermediateSize, { bias });
    this.upProj = new DenseLinear(hiddenSize, intermediateSize, { bias });
    this.downProj = new DenseLinear(intermediateSize, hiddenSize, { bias });
  }

  forward(x: Tensor): Tensor {
    const [gate, up] = projectTogether(x, [this.gateProj, this.upProj]);
    const inner = gatedActivation(gate, up, 'silu'); // [B, T, F]
    return this.downProj.forward(inner); // [B, T, D]
  }
}
