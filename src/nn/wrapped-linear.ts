/** A linear layer that wraps another in the module tree; the wrapped layer's parameters keep their paths. */

import type { Tensor } from '../tensor/index.js';
import type { Linear } from './linear.js';
import { Module } from './module.js';

export abstract class WrappedLinear extends Module implements Linear {
  /** May be changed for another that wraps it, where this must stay the outermost. */
  base: Linear;

  /** @param base is taken over, and may be quantised */
  constructor(base: Linear) {
    super();
    this.base = base;
  }

  abstract forward(x: Tensor): Tensor;

  dequantizedWeight(): Tensor {
    return this.base.dequantizedWeight();
  }

  get weight(): Tensor {
    return this.base.weight;
  }

  get bias(): Tensor | undefined {
    return this.base.bias;
  }

  get inFeatures(): number {
    return this.base.inFeatures;
  }

  get outFeatures(): number {
    return this.base.outFeatures;
  }

  get layout(): 'out-in' | 'in-out' {
    return this.base.layout;
  }

  get addsBias(): boolean {
    return this.base.addsBias;
  }

  override *namedModules(prefix = ''): ReturnType<Module['namedModules']> {
    yield [prefix, this];
    yield* this.base.namedModules(prefix);
  }

  protected override ownerOf(key: string): Module {
    return Object.hasOwn(this, key) ? this : this.base;
  }
}
