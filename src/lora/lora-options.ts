/** What an adapter is, and the factor of its update. */

export interface LoraOptions {
  readonly rank: number;
  readonly alpha: number;
  /** Probability that an input of the update is zeroed in training. Default 0. */
  readonly dropout?: number;
  /** Scale by alpha / sqrt(rank) instead of alpha / rank (rsLoRA, Kalajdzievski 2023, arXiv 2312.03732). Default false. */
  readonly rankStabilized?: boolean;
  /** Learn the magnitude of each output beside the update (DoRA, Liu et al. 2024, arXiv 2402.09353). Default false. */
  readonly dora?: boolean;
  /** A bias beside B, scaled as the update is. Default false. */
  readonly bias?: boolean;
}

/** What the product of the two matrices is multiplied with. */
export function loraScale({ rank, alpha, rankStabilized = false }: LoraOptions): number {
  return alpha / (rankStabilized ? Math.sqrt(rank) : rank);
}
