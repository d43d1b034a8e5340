/** What a training step is measured with: plain data, without what computes. */

export const TRAIN_PRECISIONS = ['float32', 'bfloat16', 'bfloat16-mixed'] as const;

export interface TrainSettings {
  /** A published config; the weights are random. */
  readonly config: unknown;
  readonly batch: number;
  readonly length: number;
  readonly precision: (typeof TRAIN_PRECISIONS)[number];
  /** Rank; 0: all weights are trained. */
  readonly lora: number;
  readonly recompute: boolean;
  /** The first two warm up and are not counted. */
  readonly steps: number;
  readonly threads?: number | undefined;
}

export const WARM_UP_STEPS = 2;
