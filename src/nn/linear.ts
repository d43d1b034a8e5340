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

/** A linear layer of a model, however its weight is kept: dense, with an adapter beside it, quantised. */
export interface Linear extends Module {
  /** As it is stored: [O, I], or [I, O] with layout in-out. */
  readonly weight: Tensor;
  readonly bias: Tensor | undefined; // [O]
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly layout: 'out-in' | 'in-out';
  /** Does `forward` add the bias? False where it gives a part of a sum, and another part has the bias. */
  readonly addsBias: boolean;
  /** Of a layer that multiplies with integers as `xinghe::integer_linear` does, and does nothing else. */
  readonly integers?: IntegerOperands | undefined;
  /** @param x [..., I] @returns [..., O] */
  forward(x: Tensor): Tensor;
  /** The weight as a dense float matrix [O, I]; a layer that stores it otherwise computes it. */
  dequantizedWeight(): Tensor;
}

/** What `xinghe::integer_linear` multiplies with. */
export interface IntegerOperands {
  /** Weight, scales and zero points. */
  readonly tensors: readonly [Tensor, Tensor, Tensor];
  /** int64 [I]: the input at each place; null: each at its own. */
  readonly order: Tensor | null;
  readonly groupSize: number;
  /** Inputs are rounded to integers of 8 bits, in groups. */
  readonly roundsInput: boolean;
}

/** By what it can do, so that a wrapper is one without being of a class. */
export function isLinear(module: Module): module is Linear {
  return 'inFeatures' in module && 'outFeatures' in module && 'dequantizedWeight' in module;
}

/**
 * The linear layers of a tree with their own paths, `prefix` before them. Where one wraps another under the same path, the
 * outer one alone.
 */
export function* namedLinears(root: Module, prefix = ''): Generator<[path: string, layer: Linear], void> {
  let last: string | undefined;
  for (const [path, module] of root.namedModules(prefix)) {
    if (path === last || !isLinear(module)) continue;
    last = path;
    yield [path, module];
  }
}

export class DenseLinear extends Module implements Linear {
  weight: Tensor; // [O, I], or [I, O] with layout in-out
  bias: Tensor | undefined; // [O]
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly layout: 'out-in' | 'in-out';
  addsBias = true;

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

  forward(x: Tensor): Tensor {
    const bias = this.addsBias ? this.bias : undefined;
    return linear(x, this.layout === 'out-in' ? this.weight : this.weight.transpose(0, 1), bias);
  }

  dequantizedWeight(): Tensor {
    return this.layout === 'out-in' ? this.weight : this.weight.transpose(0, 1);
  }
}
