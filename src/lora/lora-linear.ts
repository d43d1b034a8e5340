/**
 * A linear layer with a low-rank update beside its frozen weight: y = x W^T + b + (x A^T) B^T * alpha / rank
 * (Hu et al. 2021, arXiv 2106.09685).
 *
 * Shapes: I input features, O output features, R rank.
 */
import { Linear, parameter } from '../nn/index.js';
import {
  type FloatDType,
  type Generator,
  noGrad,
  operator,
  rand,
  type Tensor,
  zeros,
} from '../tensor/index.js';

const linear = operator('xinghe::linear');
const dropout = operator('aten::dropout');

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
  /** False in evaluation and generation: no dropout. */
  training = false;

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
    const { dropout: probability = 0 } = this.options;
    const input = this.training && probability > 0 ? dropout(x, probability, true) : x;
    const update = linear(linear(input, this.loraA.to(x.dtype)), this.loraB.to(x.dtype));
    return super.forward(x).add(update.mul(this.scale));
  }

  get scale(): number {
    return this.options.alpha / this.options.rank;
  }

  /** The weight with the update added, in the weight's layout and dtype. */
  mergedWeight(): Tensor {
    return noGrad(() => {
      const update = this.loraB.to('float32').matmul(this.loraA.to('float32')).mul(this.scale); // [O, I]
      const placed = this.layout === 'out-in' ? update : update.transpose(0, 1);
      return this.weight.to('float32').add(placed).to(this.weight.dtype);
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
