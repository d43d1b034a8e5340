/** Attention or MLP of which each process of a group has a part of the heads or channels. */
import type { Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { TensorGroup } from './tensor-group.js';
import { WrappedModule } from './wrapped-module.js';

/** A module that reads hidden states, and whatever else, and gives hidden states. */
export interface HiddenModule extends Module {
  forward(hidden: Tensor, ...rest: readonly unknown[]): Tensor;
}

/** Its last layer gives a part of a sum. */
export class SplitRegion extends WrappedModule<HiddenModule> {
  readonly #group: TensorGroup;

  constructor(inner: HiddenModule, group: TensorGroup) {
    super(inner);
    this.#group = group;
  }

  /** @param hidden [B, T, D], or own tokens @returns the same shape */
  forward(hidden: Tensor, ...rest: readonly unknown[]): Tensor {
    return this.#group.leave(this.inner.forward(this.#group.enter(hidden), ...rest));
  }
}

export function isHiddenModule(module: Module): module is HiddenModule {
  return 'forward' in module && typeof module.forward === 'function';
}
