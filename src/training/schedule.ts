/** Learning rate by step: linear warm-up, then a half cosine down to the minimum. */

export interface CosineSchedule {
  readonly learningRate: number;
  /** Reached after the last step. Default 0. */
  readonly minLearningRate?: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /**
   * - hf: warm-up lr * s / w for s < w (transformers' get_cosine_schedule_with_warmup)
   * - spark: the same with w at least 1, so that step 0 always has rate 0 (MindFormers' CosineWithWarmUpLR)
   */
  readonly form: 'hf' | 'spark';
}

/** @param step from 0 */
export function cosineLearningRate(step: number, schedule: CosineSchedule): number {
  const { learningRate, minLearningRate = 0, warmupSteps, totalSteps, form } = schedule;
  const cosineSteps = Math.max(1, totalSteps - warmupSteps);
  const warmup = form === 'spark' ? Math.max(1, warmupSteps) : warmupSteps;
  if (step < warmup) return (learningRate * step) / warmup;
  const progress = (step - warmup) / cosineSteps;
  return (
    minLearningRate + (learningRate - minLearningRate) * 0.5 * (1 + Math.cos(Math.PI * Math.min(progress, 1)))
  );
}
