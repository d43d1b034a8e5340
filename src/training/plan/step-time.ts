/** Seconds of an optimiser step, from the arithmetic of the model and the speed of the device. */
import { planPipeline } from '../step/plan-pipeline.js';
import type { Recompute } from '../step/segments.js';
import type { Precision } from './byte-table.js';
import type { RankLayout } from './rank-layout.js';

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

/** Micro-batches that are played through, for each stage; each one more takes as long as the one before. */
const PLAYED_ROUNDS = 3;

/** Forward and backward pass of a chunk, in forward passes. */
const CHUNK_TIME = 3;

/**
 * How much longer a step takes on a pipeline than its arithmetic, shared evenly: stages wait for one another, and the one that
 * has most to multiply sets the pace.
 * @param multiplied elements, by stage
 */
export function pipelineSlowdown(
  { pipeline: stages, chunks }: RankLayout,
  microBatches: number,
  multiplied: readonly number[],
): number {
  if (stages === 1) return 1;
  const played = Math.min(microBatches, PLAYED_ROUNDS * stages * chunks);
  const { time } = planPipeline({ stages, chunksPerStage: chunks, microBatches: played });
  const whole = time + (microBatches - played) * chunks * CHUNK_TIME;
  const mean = multiplied.reduce((sum, one) => sum + one, 0) / multiplied.length;
  return (whole / (microBatches * chunks * CHUNK_TIME)) * (Math.max(...multiplied) / mean);
}
