/** Layer normalisations, computed in float32 (float64 for float64 inputs) whatever the dtype of the input. */
import { type DType, operator, type Tensor } from '../tensor/index.js';
import { Module, parameter } from './module.js';

const layerNorm = operator('aten::layer_norm');
const rmsNorm = operator('xinghe::rms_norm');

/** The dtype for sums over many elements of a tensor in `dtype`. */
export function accumulationDType(dtype: DType): 'float32' | 'float64' {
  return dtype === 'float64' ? 'float64' : 'float32';
}

/**
 * x / sqrt(mean(x²) + eps) * weight.
 *
 * The published families round at different places: TeleChat casts the normalised value to the input's dtype and
 * multiplies by the weight then ("before-weight"), XVERSE multiplies in float32 and casts the product
 * ("after-weight"). The two differ in bfloat16 and float16 only.
 */
export class RmsNorm extends Module {
  weight: Tensor; // [D]
  readonly eps: number;
  readonly rounding: 'before-weight' | 'after-weight';

  constructor(hiddenSize: number, eps: number, rounding: 'before-weight' | 'after-weight') {
    super();
    this.weight = parameter(hiddenSize);
    this.eps = eps;
    this.rounding = rounding;
  }

  /** @param x [..., D] */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, this.eps, this.rounding === 'before-weight');
  }
}

/** (x - mean) / sqrt(variance + eps) * weight + bias. */
export class LayerNorm extends Module {
  weight: Tensor; // [D]
  bias: Tensor; // [D]
  readonly eps: number;

  constructor(hiddenSize: number, eps: number) {
    super();
    this.weight = parameter(hiddenSize);
    this.bias = parameter(hiddenSize);
    this.eps = eps;
  }

  /** @param x [..., D] */
  forward(x: Tensor): Tensor {
    const dtype = accumulationDType(x.dtype);
    return layerNorm(x.to(dtype), [x.size(-1)], this.weight.to(dtype), this.bias.to(dtype), this.eps).to(
      x.dtype,
    );
  }
}
