/** Seconds of an optimiser step, from the arithmetic of the model and the speed of the device. */
import type { Recompute } from '../step/segments.js';
import type { Precision } from './byte-table.js';

/**
 * Share of the measured speed of matrix products that a whole step reaches: with norms, attention, the loss and the
 * optimiser counted in. From bench/results/training-step: 0.85 to 0.91 in float32; 16 bit has the same work around
 * products that are faster.
 */
export const EFFICIENCY: Readonly<Record<Precision, number>> = {
  float32: 0.85,
  float64: 0.85,
  bfloat16: 0.65,
  'bfloat16-mixed': 0.65,
  'float16-mixed': 0.65,
};

export interface StepTimeOptions {
  readonly precision: Precision;
  /** Of a step, all micro-batches together. */
  readonly tokens: number;
  readonly flopsPerToken: number;
  /** Measured, of matrix products in this precision. */
  readonly peakFlopsPerSecond: number;
  readonly recompute: Recompute;
  readonly layers: number;
}

export function stepSeconds(options: StepTimeOptions): number {
  const { precision, tokens, flopsPerToken, peakFlopsPerSecond, recompute, layers } = options;
  // A forward pass is a third of a step.
  const again = recomputedShare(recompute, layers) / 3;
  return (tokens * flopsPerToken * (1 + again)) / (peakFlopsPerSecond * EFFICIENCY[precision]);
}

export function recomputedShare(recompute: Recompute, layers: number): number {
  if (recompute === 'none') return 0;
  if (recompute === 'full') return 1;
  const count = 'every' in recompute ? Math.ceil(layers / recompute.every) : recompute.layers.length;
  return Math.min(count / layers, 1);
}
