/**
 * A linear layer with a low-rank update beside its frozen weight: y = x W^T + b + (x A^T) B^T * alpha / rank
 * (Hu et al. 2021, arXiv 2106.09685).
 *
 * Shapes: I input features, O output features, R rank.
 */
import { Linear, parameter } from '../nn/index.js';
import {
  empty,
  type FloatDType,
  type Generator,
  noGrad,
  operator,
  rand,
  type Tensor,
  zeros,
} from '../tensor/index.js';

const linear = operator('xinghe::linear');
const bernoulli = operator('aten::bernoulli_.float');

export interface LoraOptions {
  readonly rank: number;
  readonly alpha: number;
  /** Probability that an input of the update is zeroed in training. Default 0. */
  readonly dropout?: number;
}

export class LoraLinear extends Linear {
  loraA: Tensor; // [R, I]
  loraB: Tensor; // [O, R]
  readonly options: LoraOptions;
  /** Draws the dropout in training; undefined in evaluation and generation: no dropout. */
  dropoutGenerator: Generator | undefined;

  /** Takes over the parameters of `base`, which must not be used any more. A and B have no values yet. */
  constructor(base: Linear, options: LoraOptions) {
    super(base.inFeatures, base.outFeatures, { bias: base.bias !== undefined, layout: base.layout });
    this.weight = base.weight;
    this.bias = base.bias;
    this.options = options;
    this.loraA = parameter(options.rank, base.inFeatures);
    this.loraB = parameter(base.outFeatures, options.rank);
  }

  override forward(x: Tensor): Tensor {
    const update = linear(linear(this.#dropOut(x), this.loraA.to(x.dtype)), this.loraB.to(x.dtype));
    return super.forward(x).add(update.mul(this.scale));
  }

  #dropOut(x: Tensor): Tensor {
    const { dropout = 0 } = this.options;
    if (dropout === 0 || this.dropoutGenerator === undefined) return x;
    const { dtype, device } = x;
    const kept = bernoulli(empty(x.shape, { dtype, device }), 1 - dropout, this.dropoutGenerator);
    return x.mul(kept.mul(1 / (1 - dropout)));
  }

  get scale(): number {
    return this.options.alpha / this.options.rank;
  }

  /** The weight with the update added, in the weight's layout and dtype. */
  mergedWeight(): Tensor {
    return noGrad(() => {
      const wide = this.weight.dtype === 'float64' ? 'float64' : 'float32';
      const update = this.loraB.to(wide).matmul(this.loraA.to(wide)).mul(this.scale); // [O, I]
      const placed = this.layout === 'out-in' ? update : update.transpose(0, 1);
      return this.weight.to(wide).add(placed).to(this.weight.dtype);
    });
  }
}

/**
 * Values of a new adapter: A uniform in ±1/sqrt(I) (Kaiming with a = sqrt 5, as MindPet and PEFT draw it), B zero,
 * so that the model starts unchanged.
 */
export function initializeLora(layer: LoraLinear, generator: Generator, dtype: FloatDType = 'float32'): void {
  const bound = 1 / Math.sqrt(layer.inFeatures);
  const device = layer.weight.device;
  const values = rand(layer.loraA.shape, generator, { low: -bound, high: bound });
  layer.assign('loraA', values.to(dtype).toDevice(device));
  layer.assign('loraB', zeros(layer.loraB.shape, { dtype, device }));
}
