/**
 * DeepSpeed's JSON as part of our configuration. "auto" stands for what the launching program's arguments say, as in the
 * published recipes; ours take their place.
 */
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import type { TrainInput } from '../imported-run.js';
import { type IgnoredKey, sortKeys } from '../key-tree.js';
import { auto, chosen, orAuto, positive } from './auto-values.js';
import { deepspeedKeys, offOnly } from './deepspeed-keys.js';
import { readHjson } from './read-hjson.js';
import { schedulerOf, schedulerSchema } from './scheduler-section.js';

type Training = TrainInput['training'];

/** Values that "auto" stands for; what is left out stays out. */
export interface DeepspeedArguments {
  readonly microBatchSize?: number | undefined;
  readonly gradientAccumulationSteps?: number | undefined;
  readonly maxGradNorm?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly warmupSteps?: number | undefined;
  readonly totalSteps?: number | undefined;
  readonly precision?: 'fp16' | 'bf16' | 'fp32' | undefined;
}

export interface DeepspeedConfig {
  /** Only what the file decides. */
  readonly training: Partial<Training>;
  readonly zero: {
    readonly stage: 0 | 1 | 2 | 3;
    readonly offloadOptimizer: boolean;
    readonly offloadParameters: boolean;
  };
  /** Rows of a step on all devices, where the file says so. */
  readonly globalBatch: number | undefined;
  readonly ignored: readonly IgnoredKey[];
  readonly warnings: readonly string[];
}

const offload = z.object({ device: z.enum(['none', 'cpu']).default('none') }).nullish();

const brainSchema = z
  .object({
    enabled: z.union([auto, z.boolean()]).default(false),
    bf16_master_weights_and_grads: z.literal(false).optional(),
    bf16_optimizer_states: z.literal(false).optional(),
  })
  .nullish();
const off = z
  .looseObject({
    enabled: z.literal(false).default(false),
  })
  .nullish();

const schema = z.object({
  train_batch_size: orAuto(positive),
  train_micro_batch_size_per_gpu: orAuto(positive),
  gradient_accumulation_steps: orAuto(positive),
  gradient_clipping: orAuto(z.number().nonnegative()),
  optimizer: z
    .object({
      type: z.enum(['Adam', 'AdamW', 'FusedAdam', 'DeepSpeedCPUAdam']),
      params: z
        .strictObject({
          lr: orAuto(z.number().positive()),
          betas: orAuto(z.tuple([z.number(), z.number()])),
          eps: orAuto(z.number().positive()),
          weight_decay: orAuto(z.number().nonnegative()),
          torch_adam: z.boolean().optional(),
          adam_w_mode: z.literal(true).optional(),
          bias_correction: z.boolean().optional(),
        })
        .prefault({}),
    })
    .nullish(),
  scheduler: schedulerSchema.nullish(),
  fp16: z
    .object({
      enabled: z.union([auto, z.boolean()]).default(false),
      /** 0: dynamic. */
      loss_scale: z.number().nonnegative().default(0),
      initial_scale_power: z.int().min(0).max(64).default(16),
      loss_scale_window: positive.default(1000),
      fp16_master_weights_and_grads: z.literal(false).optional(),
    })
    .nullish(),
  bf16: brainSchema,
  /** Its older name, which counts where bf16 is not there. */
  bfloat16: brainSchema,
  ...Object.fromEntries(offOnly.map((name) => [name, off])),
  zero_optimization: z
    .object({
      stage: z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]).default(0),
      offload_optimizer: offload,
      offload_param: offload,
      cpu_offload: z.boolean().default(false),
    })
    .prefault({}),
});

/**
 * @param from path of the JSON file, or what is in it
 * @throws InputError for unknown keys, values out of range, and numbers that contradict each other
 */
export function loadDeepspeedConfig(from: unknown, args: DeepspeedArguments = {}): DeepspeedConfig {
  const source = typeof from === 'string' ? from : 'the DeepSpeed configuration';
  const value = typeof from === 'string' ? readHjson(from) : from;
  const ignored = sortKeys(value, deepspeedKeys, source);
  const file = parseConfig(schema, value, { source });
  const zero = file.zero_optimization;
  const offloadOptimizer = zero.cpu_offload || zero.offload_optimizer?.device === 'cpu';
  const offloadParameters = zero.offload_param?.device === 'cpu';
  const micro = chosen(file.train_micro_batch_size_per_gpu, args.microBatchSize);
  const accumulation = chosen(file.gradient_accumulation_steps, args.gradientAccumulationSteps);
  const globalBatch = chosen(file.train_batch_size, undefined);
  if (globalBatch !== undefined && globalBatch % ((micro ?? 1) * (accumulation ?? 1)) !== 0)
    throw new InputError(
      `${source}: train_batch_size is ${globalBatch}, no multiple of ${micro ?? 1} rows in ${accumulation ?? 1} micro-batches.`,
    );
  // 0 means that nothing is clipped, which is what leaving it out means too.
  const clipping = chosen(file.gradient_clipping, args.maxGradNorm);
  return {
    training: {
      ...(micro !== undefined && { micro_batch_size: micro }),
      ...(accumulation !== undefined && { gradient_accumulation_steps: accumulation }),
      ...(clipping !== undefined && { max_grad_norm: clipping === 0 ? 1e30 : clipping }),
      ...precisionOf(file, args, source),
      ...optimizerOf(file, args),
      ...schedulerOf(file.scheduler, { ...args, ...rateOf(file) }),
      ...(offloadOptimizer && { offload: { optimizer: true } }),
    },
    zero: { stage: zero.stage, offloadOptimizer, offloadParameters },
    globalBatch,
    ignored,
    warnings: [
      ...(zero.stage > 0
        ? [
            `zero_optimization.stage ${zero.stage} shares state between devices; this run uses one, which holds all of it.`,
          ]
        : []),
      ...(offloadParameters
        ? ['zero_optimization.offload_param: weights stay on the device of this run.']
        : []),
    ],
  };
}

type DeepspeedFile = z.output<typeof schema>;

function precisionOf(
  { fp16, bf16, bfloat16 }: DeepspeedFile,
  { precision }: DeepspeedArguments,
  source: string,
): Partial<Training> {
  const isOn = (enabled: boolean | 'auto' | undefined, name: 'fp16' | 'bf16'): boolean =>
    enabled === 'auto' ? precision === name : enabled === true;
  const half = isOn(fp16?.enabled, 'fp16');
  const brain = isOn((bf16 ?? bfloat16)?.enabled, 'bf16');
  if (half && brain) throw new InputError(`${source}: fp16 and bf16 are both enabled; choose one.`);
  if (brain) return { precision: 'bfloat16-mixed' };
  if (!half || fp16 === null || fp16 === undefined)
    return precision === 'fp32' ? { precision: 'float32' } : {};
  return {
    precision: 'float16-mixed',
    loss_scale:
      fp16.loss_scale > 0
        ? { kind: 'fixed', initial: fp16.loss_scale }
        : {
            kind: 'dynamic',
            initial: 2 ** fp16.initial_scale_power,
            factor: 2,
            window: fp16.loss_scale_window,
          },
  };
}

/** The rate of the optimizer's own section, which schedulers without one of theirs begin from. */
function rateOf({ optimizer }: DeepspeedFile): Pick<DeepspeedArguments, 'learningRate'> {
  const rate = optimizer?.params.lr;
  return typeof rate === 'number' ? { learningRate: rate } : {};
}

function optimizerOf({ optimizer }: DeepspeedFile, args: DeepspeedArguments): Partial<Training> {
  if (optimizer === null || optimizer === undefined) return {};
  const { lr, betas, eps, weight_decay: decay, bias_correction: isCorrected } = optimizer.params;
  const rate = chosen(lr, args.learningRate);
  const moments = chosen(betas, undefined);
  const floor = chosen(eps, undefined);
  const shrink = chosen(decay, undefined);
  return {
    ...(rate !== undefined && { learning_rate: rate }),
    ...(moments !== undefined && { beta1: moments[0], beta2: moments[1] }),
    ...(floor !== undefined && { eps: floor }),
    ...(shrink !== undefined && { weight_decay: shrink }),
    ...(isCorrected === false && { adamw: 'uncorrected' as const }),
  };
}
