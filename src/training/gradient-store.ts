/** The gradients of the trained parameters, gathered over segments and micro-batches. */
import { operator, stack, type Tensor } from '../tensor/index.js';

const foreachMul = operator('aten::_foreach_mul_.Scalar');
const foreachNorm = operator('aten::_foreach_norm.Scalar');

export class GradientStore {
  readonly #gradients = new Map<Tensor, Tensor | undefined>();

  /** Marks the parameters as leaves that want a gradient. */
  constructor(parameters: Iterable<Tensor>) {
    for (const parameter of parameters) this.#gradients.set(parameter.setRequiresGrad(true), undefined);
  }

  isTrained(parameter: Tensor): boolean {
    return this.#gradients.has(parameter);
  }

  /** Adds to the parameter's gradient; takes the tensor over when it is the first. */
  add(parameter: Tensor, gradient: Tensor): void {
    const sum = this.#gradients.get(parameter);
    if (sum === undefined) {
      // The gradient of a transposed weight comes transposed; libtorch's fused optimiser reads plain memory.
      this.#gradients.set(parameter, gradient.contiguous().keep());
    } else sum.add_(gradient);
    gradient.dispose();
  }

  get(parameter: Tensor): Tensor | undefined {
    return this.#gradients.get(parameter);
  }

  /** The Euclidean norm over all gradients, each taken in float32 at least. Call inside a scope. */
  norm(): number {
    const gradients = this.#present();
    const wide = gradients.some((gradient) => gradient.dtype === 'float64') ? 'float64' : 'float32';
    return stack(foreachNorm(gradients, 2, wide))
      .norm()
      .item();
  }

  /** Multiplies every gradient in place. */
  scale(factor: number): void {
    foreachMul(this.#present(), factor);
  }

  /** Frees all gradients. */
  clear(): void {
    for (const [parameter, gradient] of this.#gradients) {
      gradient?.dispose();
      this.#gradients.set(parameter, undefined);
    }
  }

  #present(): Tensor[] {
    return [...this.#gradients.values()].filter((gradient) => gradient !== undefined);
  }
}
