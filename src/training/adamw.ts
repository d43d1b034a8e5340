/**
 * AdamW with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101), in the two forms that the suites use:
 *
 * - torch: p -= lr * mhat / (sqrt(vhat) + eps)
 * - spark: p -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps), the eps not bias-corrected
 *   (MindFormers' AdamWeightDecayX), which is torch's form with eps / sqrt(1 - b2^t).
 *
 * After p *= 1 - lr * weightDecay, both. One fused operator updates all tensors of a group.
 */
import { full, noGrad, operator, scope, type Tensor, zeros } from '../tensor/index.js';
import type { GradientStore } from './gradient-store.js';

const fusedAdamW = operator('aten::_fused_adamw_');

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly form: 'torch' | 'spark';
}

export interface ParameterGroup {
  readonly parameters: readonly Tensor[];
  readonly weightDecay: number;
}

interface Moments {
  readonly first: Tensor;
  readonly second: Tensor;
}

export class AdamW {
  readonly #options: AdamWOptions;
  readonly #groups: readonly ParameterGroup[];
  readonly #moments = new Map<Tensor, Moments>();
  #step = 0;

  constructor(groups: readonly ParameterGroup[], options: AdamWOptions) {
    this.#options = options;
    this.#groups = groups;
  }

  /** One update; parameters without a gradient stay as they are. */
  step(gradients: GradientStore, learningRate: number): void {
    this.#step += 1;
    const { beta1, beta2, form } = this.#options;
    const eps = form === 'torch' ? this.#options.eps : this.#options.eps / Math.sqrt(1 - beta2 ** this.#step);
    noGrad(() =>
      scope(() => {
        for (const { parameters, weightDecay } of this.#groups) {
          const trained = parameters.filter((parameter) => gradients.get(parameter) !== undefined);
          if (trained.length === 0) continue;
          const moments = trained.map((parameter) => this.#momentsOf(parameter));
          const first = moments.map((pair) => pair.first);
          const second = moments.map((pair) => pair.second);
          const found = trained.flatMap((parameter) => gradients.get(parameter) ?? []);
          const steps = trained.map((parameter) => full([], this.#step, { device: parameter.device }));
          fusedAdamW(
            trained,
            found,
            first,
            second,
            [],
            steps,
            learningRate,
            beta1,
            beta2,
            weightDecay,
            eps,
            false,
            false,
          );
        }
      }),
    );
  }

  dispose(): void {
    for (const { first, second } of this.#moments.values()) {
      first.dispose();
      second.dispose();
    }
    this.#moments.clear();
  }

  #momentsOf(parameter: Tensor): Moments {
    const known = this.#moments.get(parameter);
    if (known !== undefined) return known;
    const { dtype, device, shape } = parameter;
    const moments = {
      first: zeros(shape, { dtype, device }).keep(),
      second: zeros(shape, { dtype, device }).keep(),
    };
    this.#moments.set(parameter, moments);
    return moments;
  }
}
