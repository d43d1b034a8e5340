/**
 * y = x W^T + b.
 *
 * Shapes: I input features, O output features, … any leading dimensions.
 */
import { operator, type Tensor } from '../tensor/index.js';
import { Module, parameter } from './module.js';

const linear = operator('xinghe::linear');

export interface LinearOptions {
  /** Default false. */
  readonly bias?: boolean;
  /** How the weight lies in memory: [O, I] (default), or [I, O] as GPT-2's Conv1D stores it. */
  readonly layout?: 'out-in' | 'in-out';
}

export class Linear extends Module {
  weight: Tensor; // [O, I], or [I, O] with layout in-out
  bias: Tensor | undefined; // [O]
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly layout: 'out-in' | 'in-out';

  constructor(
    inFeatures: number,
    outFeatures: number,
    { bias = false, layout = 'out-in' }: LinearOptions = {},
  ) {
    super();
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.layout = layout;
    this.weight =
      layout === 'out-in' ? parameter(outFeatures, inFeatures) : parameter(inFeatures, outFeatures);
    this.bias = bias ? parameter(outFeatures) : undefined;
  }

  /** @param x [..., I] @returns [..., O] */
  forward(x: Tensor): Tensor {
    return linear(x, this.layout === 'out-in' ? this.weight : this.weight.transpose(0, 1), this.bias);
  }

  /** The weight as a dense float matrix [O, I]; a layer that stores it otherwise computes it. */
  dequantizedWeight(): Tensor {
    return this.layout === 'out-in' ? this.weight : this.weight.transpose(0, 1);
  }
}
