/** Learning rate by step: a warm-up, then a curve down to the minimum, or none. */
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
   * - deepspeed: w at least 2, and the rate of step s is the one that the others have for s - 1; step 0 has the first again,
   *   the cosine 0, and its fall is not late (runtime/lr_schedules.py: WarmupLR, WarmupDecayLR, WarmupCosineLR)
   */
  readonly form: 'hf' | 'spark' | 'deepspeed';
  /** log: log(s + 1) / log(w) in place of s / w. Default linear. */
  readonly warmupForm?: 'linear' | 'log' | undefined;
  /** Rate that the warm-up begins with. Default 0. */
  readonly warmupLearningRate?: number | undefined;
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
    warmupForm: settings.warmup_form,
    warmupLearningRate: settings.warmup_learning_rate,
  };
}

function warmupOf({ form, warmupSteps }: Schedule): number {
  switch (form) {
    case 'hf':
      return warmupSteps;
    case 'spark':
      return Math.max(1, warmupSteps);
    case 'deepspeed':
      return Math.max(2, warmupSteps);
  }
}

/** @param step updates made before this one: a step that was left out does not count */
export function learningRateAt(step: number, schedule: Schedule): number {
  const { kind, learningRate, minLearningRate = 0, warmupSteps, totalSteps, form } = schedule;
  const warmup = warmupOf(schedule);
  // DeepSpeed's own warm-up is never shorter than its least, its fall neither.
  const past = form === 'deepspeed' ? warmup : warmupSteps;
  const steps = Math.max(1, totalSteps - past);
  const at = form === 'deepspeed' ? Math.max(0, step - 1) : step;
  if (form === 'deepspeed' && kind === 'cosine' && step === 0) return 0;
  if (at < warmup) {
    const start = schedule.warmupLearningRate ?? 0;
    const isLog = schedule.warmupForm === 'log' && warmup > 1;
    return start === 0 && !isLog
      ? (learningRate * at) / warmup
      : start + (learningRate - start) * (isLog ? Math.log(at + 1) / Math.log(warmup) : at / warmup);
  }
  const progress = Math.min(1, (at - past) / steps);
  const fall = learningRate - minLearningRate;
  switch (kind) {
    case 'cosine': {
      // The spark form counts from its longer warm-up.
      const turned = Math.min(1, (step - warmup) / steps);
      return minLearningRate + fall * 0.5 * (1 + Math.cos(Math.PI * turned));
    }
    case 'linear':
      return minLearningRate + fall * (1 - progress);
    case 'constant':
      return learningRate;
    case 'wsd': {
      const decay = Math.max(1, schedule.decaySteps ?? Math.ceil(totalSteps / 10));
      const into = Math.min(1, Math.max(0, at - (totalSteps - decay)) / decay);
      return minLearningRate + fall * (1 - into);
    }
  }
}
