/** The gradients of the trained parameters by own path, gathered over segments and micro-batches. */
import { operator, stack, type Tensor } from '../../tensor/index.js';

const foreachNorm = operator('aten::_foreach_norm.Scalar');

/** What the optimiser reads gradients from, and segments add them to. */
export interface Gradients {
  isTrained(path: string): boolean;
  /** Adds to the parameter's gradient; takes the tensor over when it is the first. */
  add(path: string, gradient: Tensor): void;
  /** undefined: it has none. */
  get(path: string): Tensor | undefined;
  /** The Euclidean norm over all gradients, each taken in float32 at least. Call inside a scope. */
  norm(): number;
  /** Frees all gradients. */
  clear(): void;
}

export class GradientStore implements Gradients {
  readonly #gradients = new Map<string, Tensor | undefined>();

  readonly #isWide: boolean;

  /**
   * Marks the parameters as leaves that want a gradient.
   * @param parameters by own path
   * @param isWide sum gradients of 16 bit in float32; for more than one micro-batch. Default false: as they come
   */
  constructor(parameters: ReadonlyMap<string, Tensor>, isWide = false) {
    this.#isWide = isWide;
    for (const [path, parameter] of parameters) {
      parameter.setRequiresGrad(true);
      this.#gradients.set(path, undefined);
    }
  }

  isTrained(path: string): boolean {
    return this.#gradients.has(path);
  }

  add(path: string, gradient: Tensor): void {
    const sum = this.#gradients.get(path);
    if (sum === undefined) {
      const isNarrow = gradient.dtype === 'bfloat16' || gradient.dtype === 'float16';
      const wide = this.#isWide && isNarrow ? gradient.to('float32') : gradient;
      // The gradient of a transposed weight comes transposed; libtorch's fused optimiser reads plain memory.
      this.#gradients.set(path, wide.contiguous().keep());
      if (wide !== gradient) wide.dispose();
    } else sum.add_(gradient);
    gradient.dispose();
  }

  get(path: string): Tensor | undefined {
    return this.#gradients.get(path);
  }

  norm(): number {
    return normOf(this.#present());
  }

  /** Takes a gradient out; the caller frees it. */
  take(path: string): Tensor | undefined {
    const gradient = this.#gradients.get(path);
    if (gradient !== undefined) this.#gradients.set(path, undefined);
    return gradient;
  }

  clear(): void {
    for (const [path, gradient] of this.#gradients) {
      gradient?.dispose();
      this.#gradients.set(path, undefined);
    }
  }

  #present(): Tensor[] {
    return [...this.#gradients.values()].filter((gradient) => gradient !== undefined);
  }
}

/** The Euclidean norm over all of them, each taken in float32 at least. Call inside a scope. */
export function normOf(gradients: readonly Tensor[]): number {
  if (gradients.length === 0) return 0;
  const wide = gradients.some((gradient) => gradient.dtype === 'float64') ? 'float64' : 'float32';
  return stack(foreachNorm(gradients, 2, wide))
    .norm()
    .item();
}
