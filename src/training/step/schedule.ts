/** Learning rate by step: linear warm-up, then a curve down to the minimum, or none. */
import type { TrainingSettings } from './training-settings.js';

export interface Schedule {
  /**
   * - cosine: half a cosine down to the minimum
   * - linear: a straight line down to it
   * - constant: stays
   * - wsd: stays, then falls in a straight line over the last `decaySteps` (warm-up, stable, decay)
   */
  readonly kind: 'cosine' | 'linear' | 'constant' | 'wsd';
  readonly learningRate: number;
  /** Reached after the last step. Default 0. */
  readonly minLearningRate?: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /** Of wsd. Default: a tenth of the steps. */
  readonly decaySteps?: number | undefined;
  /**
   * - hf: warm-up lr * s / w for s < w (transformers' get_cosine_schedule_with_warmup)
   * - spark: the same with w at least 1, so that step 0 always has rate 0 (MindFormers' CosineWithWarmUpLR)
   */
  readonly form: 'hf' | 'spark';
}

/** @param runSteps optimiser steps of the run */
export function scheduleOf(settings: TrainingSettings, runSteps: number): Schedule {
  const totalSteps = settings.schedule_steps ?? runSteps;
  return {
    kind: settings.schedule,
    learningRate: settings.learning_rate,
    minLearningRate: settings.min_learning_rate,
    warmupSteps: settings.warmup_steps ?? Math.round((settings.warmup_ratio ?? 0) * totalSteps),
    totalSteps,
    decaySteps: settings.decay_steps,
    form: settings.schedule_form,
  };
}

/** @param step updates made before this one: a step that was left out does not count */
export function learningRateAt(step: number, schedule: Schedule): number {
  const { kind, learningRate, minLearningRate = 0, warmupSteps, totalSteps, form } = schedule;
  const steps = Math.max(1, totalSteps - warmupSteps);
  const warmup = form === 'spark' ? Math.max(1, warmupSteps) : warmupSteps;
  if (step < warmup) return (learningRate * step) / warmup;
  const progress = Math.min(1, (step - warmupSteps) / steps);
  const fall = learningRate - minLearningRate;
  switch (kind) {
    case 'cosine': {
      // The spark form counts from its longer warm-up.
      const past = Math.min(1, (step - warmup) / steps);
      return minLearningRate + fall * 0.5 * (1 + Math.cos(Math.PI * past));
    }
    case 'linear':
      return minLearningRate + fall * (1 - progress);
    case 'constant':
      return learningRate;
    case 'wsd': {
      const decay = Math.max(1, schedule.decaySteps ?? Math.ceil(totalSteps / 10));
      const into = Math.min(1, Math.max(0, step - (totalSteps - decay)) / decay);
      return minLearningRate + fall * (1 - into);
    }
  }
}
