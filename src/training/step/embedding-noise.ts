/** NEFTune (Jain et al. 2023, arXiv 2310.05914): noise on the embeddings while a model is fine-tuned. */
import { type RandomGenerator, rand, type Tensor } from '../../tensor/index.js';

/**
 * Adds noise that is uniform within ± alpha / sqrt(T * D), as transformers does: T is the length of the filled-up rows.
 * @param embedded [B, T, D]
 */
export function withEmbeddingNoise(
  embedded: Tensor,
  alpha: number,
  generator: RandomGenerator | undefined,
): Tensor {
  if (generator === undefined) throw new TypeError('noise without a generator');
  const { shape, dtype, device } = embedded;
  const bound = alpha / Math.sqrt(embedded.size(1) * embedded.size(2));
  return embedded.add(rand(shape, generator, { low: -bound, high: bound, dtype, device }));
}
