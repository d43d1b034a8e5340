/**
 * Arithmetic of training. A matrix of P elements costs a token 2 P operations forward and 4 P backward: 2 P for the
 * gradient of its input and 2 P for its own (Kaplan et al., arXiv 2001.08361, section 2.1). Attention costs 4 hidden length
 * a layer forward (scores and mixing, 2 hidden length each) and twice that backward, not halved for causality (Chowdhery et
 * al., PaLM, arXiv 2204.02311, appendix B).
 */
import type { PlannedModel } from './planned-model.js';

export interface FlopsOptions {
  /** Tokens in a row. */
  readonly length: number;
  /** Parameters of the adapters, where only they are trained. */
  readonly adapterElements?: number | undefined;
}

/**
 * Operations that the model's arithmetic takes for each token of training; what recompute does again is not counted, so
 * that a share of the peak compares runs.
 *
 * - full training: 6 x elements that are not the embedding + 12 x layers x hidden x length. A tied table counts once,
 *   as the output projection that it is.
 * - LoRA: the frozen matrices lack the third of their own gradients: 4 x elements + 12 x layers x hidden x length
 *   + 6 x adapter elements
 *
 * A window bounds the length that attention sees; of experts those count that read a token.
 */
export function flopsPerToken(model: PlannedModel, { length, adapterElements }: FlopsOptions): number {
  const { activeElements, embeddingElements, tied, numHeads, headDim, windows } = model;
  const multiplied = tied ? activeElements : activeElements - embeddingElements;
  const seen = windows.reduce<number>((sum, window) => sum + Math.min(length, window ?? length), 0);
  const attention = 12 * numHeads * headDim * seen;
  return adapterElements === undefined
    ? 6 * multiplied + attention
    : 4 * multiplied + 6 * adapterElements + attention;
}
