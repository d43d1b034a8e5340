/**
 * Arguments of TeleChat's deepspeed-telechat/sft/main.py (7B, 12B) and deepspeed-finetune/sft/main.py (52B), and of the
 * process_data.py before them. What the programs fix in their code stands here as constants.
 */
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { loadDeepspeedConfig } from '../deepspeed/load-deepspeed-config.js';
import type { MissingValue, TrainInput } from '../imported-run.js';
import { type KeyTree, mapped, sortKeys } from '../key-tree.js';
import type { ArgumentRun } from './argument-run.js';
import { deviceWarnings, filledIn, text, unfilled } from './argument-values.js';
import { scheduleOf, schedulerName } from './scheduler-argument.js';

const LAUNCH = 'one process runs; a later launcher gives ranks their numbers';
const TOKENS = 'the tokenizer knows the marks of turns';

export const telechatKeys: KeyTree = {
  data_path: mapped,
  model_name_or_path: mapped,
  tokenizer_path: mapped,
  per_device_train_batch_size: mapped,
  max_seq_len: mapped,
  learning_rate: mapped,
  weight_decay: mapped,
  num_train_epochs: mapped,
  gradient_accumulation_steps: mapped,
  lr_scheduler_type: mapped,
  warmup_proportion: mapped,
  output_dir: mapped,
  seed: mapped,
  mark_only_lora_as_trainable: mapped,
  only_optimize_lora: mapped,
  gradient_checkpointing: mapped,
  gradient_checkpointing_use_reentrant: 'recomputing has one way here',
  with_loss_mask: mapped,
  disable_dropout: 'the models here have no dropout',
  save_steps: mapped,
  offload: mapped,
  zero_stage: mapped,
  lora_dim: mapped,
  lora_scaling: mapped,
  lora_module_name: mapped,
  precision: mapped,
  num_gpus: mapped,
  xinghe: mapped,
  user_token: TOKENS,
  bot_token: TOKENS,
  end_token: TOKENS,
  local_rank: LAUNCH,
  deepspeed: LAUNCH,
  deepspeed_config: LAUNCH,
};

const positive = z.int().positive();
const flag = z.boolean().default(false);

const schema = z.object({
  data_path: text,
  model_name_or_path: text,
  per_device_train_batch_size: positive.default(1),
  max_seq_len: positive.default(512),
  learning_rate: z.number().positive().default(1e-5),
  weight_decay: z.number().nonnegative().default(0),
  num_train_epochs: positive.default(1),
  gradient_accumulation_steps: positive.default(1),
  lr_scheduler_type: schedulerName.default('cosine'),
  warmup_proportion: z.number().min(0).max(1).default(0.1),
  output_dir: text,
  seed: z.int().nonnegative().default(1234),
  mark_only_lora_as_trainable: flag,
  only_optimize_lora: flag,
  gradient_checkpointing: flag,
  with_loss_mask: flag,
  save_steps: positive.optional(),
  offload: flag,
  zero_stage: z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]).default(0),
  lora_dim: z.int().nonnegative().default(0),
  lora_scaling: z.number().positive().default(1),
  lora_module_name: z.string().min(1).default('decoder.layers.'),
  /** The 52B's program has no such argument: bf16 always. */
  precision: z.enum(['fp16', 'bf16']).default('bf16'),
  /** Of the launcher, or as many as CUDA_VISIBLE_DEVICES names. */
  num_gpus: positive.default(1),
  xinghe: z.record(z.string(), z.unknown()).optional(),
});
type Arguments = z.output<typeof schema>;

/** utils/ds_utils.py of both releases. */
function deepspeedOf({ precision, zero_stage, offload }: Arguments): unknown {
  const device = offload ? 'cpu' : 'none';
  return {
    zero_optimization: {
      stage: zero_stage,
      offload_param: { device },
      offload_optimizer: { device },
      stage3_param_persistence_threshold: 1e4,
      stage3_max_live_parameters: 3e7,
      stage3_prefetch_bucket_size: 3e7,
    },
    gradient_clipping: 1,
    ...(precision === 'fp16'
      ? { fp16: { enabled: true, loss_scale: 0, loss_scale_window: 500, initial_scale_power: 12 } }
      : { bf16: { enabled: true } }),
  };
}

/** @param values what the arguments say, overrides applied */
export function readTelechatArguments(values: unknown, source: string): ArgumentRun {
  const ignored = sortKeys(values, telechatKeys, source);
  const args = parseConfig(schema, values, { source });
  const deepspeed = loadDeepspeedConfig(deepspeedOf(args));
  if (args.lora_dim > 0 && !args.mark_only_lora_as_trainable && !args.only_optimize_lora)
    throw new InputError(
      `${source}: lora_dim is ${args.lora_dim} and the other weights would be trained too; give ` +
        'mark_only_lora_as_trainable, or leave lora_dim away.',
    );
  const train: TrainInput = {
    output: filledIn(args.output_dir) ?? 'output',
    seed: args.seed,
    model: definedPath(filledIn(args.model_name_or_path)),
    data: {
      ...definedData(filledIn(args.data_path)),
      shuffle: true,
      document_attention: false,
      ...(!args.with_loss_mask && { learn: 'all' }),
    },
    ...(args.lora_dim > 0 && {
      lora: {
        rank: args.lora_dim,
        alpha: args.lora_scaling,
        dropout: 0,
        target_modules: [args.lora_module_name],
      },
    }),
    training: {
      epochs: args.num_train_epochs,
      micro_batch_size: args.per_device_train_batch_size,
      gradient_accumulation_steps: args.gradient_accumulation_steps * args.num_gpus,
      ...deepspeed.training,
      learning_rate: args.learning_rate,
      ...scheduleOf(args.lr_scheduler_type, { warmup_ratio: args.warmup_proportion }),
      adamw: 'torch',
      beta1: 0.9,
      beta2: 0.95,
      eps: 1e-5,
      weight_decay: args.weight_decay,
      // Norms are called input_layernorm: they are decayed, as published.
      no_weight_decay: ['bias', 'LayerNorm.weight'],
      recompute: args.gradient_checkpointing ? 'full' : 'none',
    },
    ...(args.save_steps !== undefined && { checkpoints: { every: args.save_steps } }),
  };
  return {
    train,
    own: args.xinghe,
    zeroStage: args.zero_stage,
    resume: false,
    ignored,
    warnings: [...deviceWarnings(args.num_gpus), ...deepspeed.warnings],
    missing: missingOf(args),
  };
}

function definedPath(path: string | undefined): { path?: string } {
  return path === undefined ? {} : { path };
}

function definedData(dataset: string | undefined): { dataset?: string } {
  return dataset === undefined ? {} : { dataset };
}

function missingOf(args: Arguments): MissingValue[] {
  const family =
    args.precision === 'bf16' && args.lora_module_name !== 'self_attention.' ? 'telechat52b' : 'telechat';
  return [
    ...unfilled('model_name_or_path', args.model_name_or_path, 'a model folder'),
    ...unfilled(
      'data_path',
      args.data_path,
      `rows by xinghe data prepare --recipe ${family}-sft --form telechat --seq-length ${args.max_seq_len} --weights data.json`,
    ),
  ];
}
