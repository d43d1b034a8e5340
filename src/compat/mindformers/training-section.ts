/** Optimizer, schedule, batches, precision and scales of a published run as our training section. */
import type { TrainInput } from '../imported-run.js';
import type { PublishedLayout, SharedLayout } from './parallel-layout.js';
import type { PublishedLossScale, PublishedRunFile, RuntimeModelSection } from './published-schema.js';

type Training = TrainInput['training'];

/** Stands for no clipping: no finite gradient is this long. */
const UNCLIPPED = 1e30;

export interface TrainingSection {
  readonly training: Training;
  readonly warnings: readonly string[];
}

export function readTraining(
  file: PublishedRunFile,
  model: RuntimeModelSection,
  layout: PublishedLayout,
  { replicasInOne }: SharedLayout,
): TrainingSection {
  const { runner_config: runner, optimizer, runner_wrapper: wrapper, recompute_config: recompute } = file;
  const warnings: string[] = [];
  const trainDataset = typeof file.train_dataset === 'string' ? undefined : file.train_dataset;
  const [beta1, beta2] = optimizer.betas ?? [optimizer.beta1 ?? 0.9, optimizer.beta2 ?? 0.999];
  if (recompute.select_recompute && !recompute.recompute)
    warnings.push('recompute_config.select_recompute picks operators; this run recomputes whole blocks.');
  const lossScale = wrapper.scale_sense;
  return {
    training: {
      epochs: runner.epochs * (trainDataset?.repeat ?? 1),
      micro_batch_size: runner.batch_size ?? trainDataset?.batch_size ?? 1,
      gradient_accumulation_steps: runner.gradient_accumulation_steps * layout.microBatches * replicasInOne,
      precision: precisionOf(model.compute_type ?? model.compute_dtype),
      ...(lossScale !== undefined && { loss_scale: lossScaleOf(lossScale) }),
      ...readSchedule(file),
      adamw: adamwForm(optimizer.type),
      beta1,
      beta2,
      eps: optimizer.eps,
      weight_decay: optimizer.weight_decay,
      max_grad_norm: wrapper.use_clip_grad ? wrapper.max_grad_norm : UNCLIPPED,
      recompute: recompute.recompute || recompute.select_recompute ? 'full' : 'none',
      ...(model.enable_offload && { offload: { optimizer: true } }),
    },
    warnings,
  };
}

/** What the matrices are multiplied in; weights and optimiser state stay float32. */
function precisionOf(compute: 'float32' | 'float16' | 'bfloat16' | undefined): Training['precision'] {
  switch (compute) {
    case undefined:
    case 'float32':
      return 'float32';
    case 'float16':
      return 'float16-mixed';
    case 'bfloat16':
      return 'bfloat16-mixed';
  }
}

function lossScaleOf(scale: PublishedLossScale): NonNullable<Training['loss_scale']> {
  if (typeof scale === 'number') return { kind: 'fixed', initial: scale };
  if (scale.type === 'FixedLossScaleUpdateCell') return { kind: 'fixed', initial: scale.loss_scale_value };
  return {
    kind: 'dynamic',
    initial: scale.loss_scale_value,
    factor: scale.scale_factor,
    window: scale.scale_window,
  };
}

/** lr_schedule counts; without one the optimizer's rate stays as it is. */
function readSchedule({ lr_schedule: schedule, optimizer }: PublishedRunFile): Partial<Training> {
  if (schedule === null || schedule === undefined)
    return { learning_rate: optimizer.learning_rate ?? 1e-3, schedule: 'constant' };
  return {
    learning_rate: schedule.learning_rate,
    min_learning_rate: schedule.lr_end,
    schedule: scheduleKind(schedule.type),
    schedule_form: 'spark',
    ...(schedule.total_steps > 0 && { schedule_steps: schedule.total_steps }),
    ...warmupOf(schedule),
  };
}

function adamwForm(type: PublishedRunFile['optimizer']['type']): NonNullable<Training['adamw']> {
  switch (type) {
    case 'AdamWeightDecayX':
      return 'spark';
    case 'FP32StateAdamWeightDecay':
    case 'AdamWeightDecay':
      return 'uncorrected';
    case 'AdamW':
      return 'torch';
  }
}

function scheduleKind(type: NonNullable<PublishedRunFile['lr_schedule']>['type']): Training['schedule'] {
  switch (type) {
    case 'CosineWithWarmUpLR':
      return 'cosine';
    case 'LinearWithWarmUpLR':
      return 'linear';
    case 'ConstantWarmUpLR':
      return 'constant';
  }
}

/** The ratio counts where both are given, as published. */
function warmupOf({
  warmup_steps: steps,
  warmup_ratio: ratio,
  total_steps: total,
}: NonNullable<PublishedRunFile['lr_schedule']>): Partial<Training> {
  if (ratio !== null && ratio !== undefined)
    return total > 0 ? { warmup_steps: Math.floor(ratio * total) } : { warmup_ratio: ratio };
  return { warmup_steps: steps ?? 0 };
}
