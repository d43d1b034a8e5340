/** Initial values of a model that is trained from scratch. */
import {
  type FloatDType,
  ones,
  type RandomGenerator,
  randn,
  scope,
  type Tensor,
  zeros,
} from '../tensor/index.js';
import { Embedding } from './embedding.js';
import { GroupedLinear } from './grouped-linear.js';
import { DenseLinear } from './linear.js';
import type { Module } from './module.js';
import { LayerNorm, RmsNorm } from './norm.js';
import { Router } from './router.js';

/** How matrices are drawn: normal(0, std), or Xavier's normal(0, sqrt(2 / (fan in + fan out))). */
export type InitRule = { readonly kind: 'normal'; readonly std: number } | { readonly kind: 'xavier-normal' };

export interface InitOptions {
  readonly rule: InitRule;
  /** The draws happen on the CPU in float32, so that a seed gives the same model on every device. */
  readonly generator: RandomGenerator;
  /** Default float32. */
  readonly dtype?: FloatDType;
  /** Default cpu. */
  readonly device?: string;
  /**
   * Keeps a part of each parameter alone, where `root` has the shapes of parts: all is drawn, so that a seed gives the same model, one
   * parameter after the other. Default: all of it is kept.
   */
  readonly part?: InitialPart | undefined;
}

export interface InitialPart {
  /** Shape of the whole. */
  shapeOf(path: string): readonly number[];
  /** A view of the whole, or what stands in its place where nothing of it is kept. */
  of(path: string, whole: Tensor): Tensor;
}

/** Gives every parameter of the tree a value: matrices by the rule, norm weights 1, biases and the rows of padding 0. */
export function initializeModule(root: Module, options: InitOptions): void {
  const { rule, generator, dtype = 'float32', device = 'cpu', part } = options;
  const matrix = (shape: readonly number[]): Tensor => {
    const [rows = 1, columns = 1] = shape.slice(-2); // of each expert, where there are several
    const std = rule.kind === 'normal' ? rule.std : Math.sqrt(2 / (rows + columns));
    return randn(shape, generator, { std }).to(dtype).toDevice(device);
  };
  for (const [path, module] of root.namedModules()) {
    const assign = (key: string, own: Tensor, draw: (shape: readonly number[]) => Tensor): void =>
      scope(() => {
        const ownPath = path === '' ? key : `${path}.${key}`;
        const shape = part?.shapeOf(ownPath) ?? own.shape;
        // The part is made first: what is freed behind it is one piece of memory, and not a hole between the parts.
        const kept = shape.join() === own.shape.join() ? undefined : zeros(own.shape, { dtype, device });
        const whole = draw(shape);
        const drawn = part?.of(ownPath, whole) ?? whole;
        root.assign(ownPath, kept?.copy_(drawn) ?? drawn);
      });
    if (
      module instanceof DenseLinear ||
      module instanceof GroupedLinear ||
      module instanceof Router ||
      module instanceof Embedding
    )
      assign('weight', module.weight, (shape) => {
        const weight = matrix(shape);
        if (module instanceof Embedding && module.paddingId !== undefined)
          weight.narrow(0, module.paddingId, 1).fill_(0);
        return weight;
      });
    if (module instanceof RmsNorm || module instanceof LayerNorm)
      assign('weight', module.weight, (shape) => ones(shape, { dtype, device }));
    if ((module instanceof DenseLinear || module instanceof LayerNorm) && module.bias !== undefined)
      assign('bias', module.bias, (shape) => zeros(shape, { dtype, device }));
  }
}
