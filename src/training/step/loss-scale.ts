/**
 * The factor on a float16 loss that keeps small gradients from vanishing. Dynamic, as MindSpore's
 * DynamicLossScaleUpdateCell: divided after a step that overflowed, multiplied after a window of steps that did not.
 */

export interface LossScaleOptions {
  readonly kind: 'dynamic' | 'fixed';
  /** Default 2^16 (dynamic; published runs name 2^32), 1 (fixed). */
  readonly initial?: number | undefined;
  /** Default 2. */
  readonly factor?: number | undefined;
  /** Steps without overflow before it grows. Default 1000. */
  readonly window?: number | undefined;
}

export interface LossScaleState {
  readonly scale: number;
  readonly goodSteps: number;
}

export class LossScale {
  readonly #options: LossScaleOptions;
  #scale: number;
  #goodSteps = 0;

  constructor(options: LossScaleOptions) {
    this.#options = options;
    this.#scale = options.initial ?? (options.kind === 'dynamic' ? 2 ** 16 : 1);
  }

  get value(): number {
    return this.#scale;
  }

  /** A step whose loss or gradients were not finite under this scale. @returns can a smaller scale help? */
  overflowed(): boolean {
    this.#goodSteps = 0;
    if (this.#options.kind === 'fixed' || this.#scale <= 1) return false;
    this.#scale = Math.max(1, this.#scale / (this.#options.factor ?? 2));
    return true;
  }

  succeeded(): void {
    this.#goodSteps += 1;
    if (this.#options.kind === 'fixed' || this.#goodSteps < (this.#options.window ?? 1000)) return;
    this.#goodSteps = 0;
    this.#scale *= this.#options.factor ?? 2;
  }

  state(): LossScaleState {
    return { scale: this.#scale, goodSteps: this.#goodSteps };
  }

  restore({ scale, goodSteps }: LossScaleState): void {
    this.#scale = scale;
    this.#goodSteps = goodSteps;
  }
}
