/** The hidden states of one prompt, pooled over the steps that run it. */
import type { Tensor } from '../../tensor/index.js';
import type { GenerationRequest, Pooling } from '../requests.js';
import type { ModelRunner } from './model-runner.js';

/**
 * Of the last token, or the mean over all, in double precision and in order of the tokens: the same whatever pieces the
 * prompt ran in.
 */
export class HiddenStatesPooler {
  readonly #promptLength: number;
  readonly #pooling: Pooling;
  /** Tokens that are in the sum, from the first on. */
  #pooled = 0;
  #sum: Float64Array | undefined;

  constructor({ promptIds }: Pick<GenerationRequest, 'promptIds'>, pooling: Pooling) {
    this.#promptLength = promptIds.length;
    this.#pooling = pooling;
  }

  /** Tokens before this position may come out of the cache, which has no hidden states. */
  get reusableTokens(): number {
    return this.#pooling === 'last' ? Number.POSITIVE_INFINITY : this.#pooled;
  }

  /**
   * Takes what a chunk of the prompt brings; tokens that run again after a preemption bring nothing new.
   * @param hidden [1, T, D] @param row of T, where the chunk begins @param position of its first token
   */
  add(runner: ModelRunner, hidden: Tensor, row: number, position: number, count: number): void {
    const end = position + count;
    const first = this.#pooling === 'last' ? this.#promptLength - 1 : this.#pooled;
    if (end <= first || this.#pooled === this.#promptLength) return;
    if (first < position)
      throw new RangeError(`hidden states of tokens ${first} to ${position - 1} are missing`);
    const states = runner.normed(hidden, row + first - position, end - first);
    const width = hidden.size(2);
    this.#sum ??= new Float64Array(width);
    for (let start = 0; start < states.length; start += width)
      for (let index = 0; index < width; index++)
        this.#sum[index] = (this.#sum[index] ?? 0) + (states[start + index] ?? 0);
    this.#pooled = end;
  }

  /** [D] @throws Error where the model gave numbers that are none */
  finish(): Float32Array {
    const tokens = this.#pooling === 'last' ? 1 : this.#promptLength;
    const pooled = Float32Array.from(this.#sum ?? [], (value) => value / tokens);
    if (!pooled.every(Number.isFinite))
      throw new Error(
        'the hidden states of this text hold NaN or infinity; the weights or the dtype are at fault',
      );
    return pooled;
  }
}
