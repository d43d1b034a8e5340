/** `scheduler`: DeepSpeed's own schedules with their own defaults (runtime/lr_schedules.py). */
import { z } from 'zod';
import type { TrainInput } from '../imported-run.js';
import { chosen, orAuto, positive } from './auto-values.js';

type Training = TrainInput['training'];

const rate = orAuto(z.number().nonnegative());
const ratio = z.number().min(0).max(1);
const warmup = {
  warmup_num_steps: orAuto(z.int().nonnegative()),
  warmup_type: z.enum(['log', 'linear']).default('log'),
};
const rates = { warmup_min_lr: rate, warmup_max_lr: orAuto(z.number().positive()), ...warmup };
const total = { total_num_steps: orAuto(positive) };

export const schedulerSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('WarmupLR'), params: z.strictObject({ ...rates, ...total }).prefault({}) }),
  z.object({ type: z.literal('WarmupDecayLR'), params: z.strictObject({ ...rates, ...total }).prefault({}) }),
  z.object({
    type: z.literal('WarmupCosineLR'),
    params: z
      .strictObject({
        ...rates,
        ...total,
        warmup_min_ratio: ratio.default(0),
        cos_min_ratio: ratio.default(0.0001),
      })
      .prefault({}),
  }),
]);

const WARMUP_STEPS = 1000;
/** Of WarmupDecayLR without warmup_max_lr. */
const DECAY_RATE = 0.001;
/** Ours, where neither the file nor an argument gives one. */
const OWN_RATE = 3e-4;

export interface SchedulerArguments {
  readonly learningRate?: number | undefined;
  readonly warmupSteps?: number | undefined;
  readonly totalSteps?: number | undefined;
}

export function schedulerOf(
  scheduler: z.output<typeof schedulerSchema> | null | undefined,
  args: SchedulerArguments,
): Partial<Training> {
  if (scheduler === null || scheduler === undefined) return {};
  const { params } = scheduler;
  const steps = chosen(params.total_num_steps, args.totalSteps);
  const common = {
    schedule_form: 'deepspeed' as const,
    warmup_form: params.warmup_type,
    ...(steps !== undefined && { schedule_steps: steps }),
    ...warmupOf(params.warmup_num_steps, args.warmupSteps),
  };
  const start = chosen(params.warmup_min_lr, undefined) ?? 0;
  const peak = chosen(params.warmup_max_lr, args.learningRate);
  switch (scheduler.type) {
    case 'WarmupLR':
      return {
        ...common,
        schedule: 'constant',
        warmup_learning_rate: start,
        ...(peak !== undefined && { learning_rate: peak }),
      };
    case 'WarmupDecayLR':
      return {
        ...common,
        schedule: 'linear',
        min_learning_rate: 0,
        warmup_learning_rate: start,
        ...(params.warmup_max_lr === undefined
          ? { learning_rate: DECAY_RATE }
          : peak !== undefined && { learning_rate: peak }),
      };
    case 'WarmupCosineLR': {
      const base = args.learningRate ?? OWN_RATE;
      return {
        ...common,
        schedule: 'cosine',
        learning_rate: base,
        min_learning_rate: base * scheduler.params.cos_min_ratio,
        warmup_learning_rate: base * scheduler.params.warmup_min_ratio,
      };
    }
  }
}

/** Of "auto" without an argument nothing is said: the script's own warm-up stays. */
function warmupOf(written: number | 'auto' | undefined, argument: number | undefined): Partial<Training> {
  const steps = written === undefined ? WARMUP_STEPS : chosen(written, argument);
  return steps === undefined ? {} : { warmup_steps: steps, warmup_ratio: undefined };
}
