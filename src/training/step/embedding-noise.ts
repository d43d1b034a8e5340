/** NEFTune (Jain et al. 2023, arXiv 2310.05914): noise on the embeddings while a model is fine-tuned. */
import { type RandomGenerator, rand, type Tensor } from '../../tensor/index.js';

/** Rows of which this process has some tokens. */
export interface SharedRows {
  /** T of the whole rows. */
  readonly length: number;
  /** What this process has of [B, T, D]. */
  ownPart(whole: Tensor): Tensor;
}

/**
 * Adds noise that is uniform within ± alpha / sqrt(T * D), as transformers does: T is the length of the filled-up rows.
 * @param embedded [B, T, D], or this process's tokens of shared rows
 */
export function withEmbeddingNoise(
  embedded: Tensor,
  alpha: number,
  generator: RandomGenerator | undefined,
  rows?: SharedRows,
): Tensor {
  if (generator === undefined) throw new TypeError('noise without a generator');
  const { dtype, device } = embedded;
  const [batch = 0, own = 0, width = 0] = embedded.shape;
  const length = rows?.length ?? own;
  const bound = alpha / Math.sqrt(length * width);
  // For all tokens, so that each process draws the same.
  const noise = rand([batch, length, width], generator, { low: -bound, high: bound, dtype, device });
  return embedded.add(rows?.ownPart(noise) ?? noise);
}
