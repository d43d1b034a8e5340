/** --lr_scheduler_type: names of transformers' get_scheduler, with the values that it takes where no argument says other. */
import { z } from 'zod';
import type { TrainInput } from '../imported-run.js';

export const schedulerName = z.enum([
  'linear',
  'cosine',
  'cosine_with_restarts',
  'polynomial',
  'constant',
  'constant_with_warmup',
]);

export type Warmup = Pick<TrainInput['training'], 'warmup_steps' | 'warmup_ratio'>;

/** Source: transformers' optimization.py. */
export function scheduleOf(
  name: z.output<typeof schedulerName>,
  warmup: Warmup,
): Pick<
  TrainInput['training'],
  'schedule' | 'schedule_form' | 'min_learning_rate' | 'warmup_steps' | 'warmup_ratio'
> {
  const base = { min_learning_rate: 0, schedule_form: 'hf', ...warmup } as const;
  switch (name) {
    case 'linear':
      return { ...base, schedule: 'linear' };
    case 'cosine':
    // One cycle, which is the cosine itself.
    case 'cosine_with_restarts':
      return { ...base, schedule: 'cosine' };
    case 'polynomial':
      // Power 1, down to lr_end 1e-7.
      return { ...base, schedule: 'linear', min_learning_rate: 1e-7 };
    case 'constant_with_warmup':
      return { ...base, schedule: 'constant' };
    case 'constant':
      // get_constant_schedule knows no warm-up.
      return { min_learning_rate: 0, schedule_form: 'hf', schedule: 'constant' };
  }
}
