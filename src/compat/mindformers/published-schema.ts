/** The values of a published run file that have a meaning here; published-keys.ts has the others. */
import { z } from 'zod';

const positive = z.int().positive();
const natural = z.int().nonnegative();
const text = z.string().nullish();
const dtype = z.enum(['float32', 'float16', 'bfloat16']);

export const RUN_MODES = ['train', 'finetune', 'eval', 'predict', 'export'] as const;
export type RunMode = (typeof RUN_MODES)[number];

const datasetSection = z.object({
  data_loader: z
    .object({
      /** Others read texts and tokenize on the way; rows are prepared here. */
      type: z.literal('MindDataset').default('MindDataset'),
      /** A MindRecord file, or a folder with one. */
      dataset_dir: text,
      dataset_files: z.union([z.string(), z.array(z.string())]).nullish(),
      shuffle: z.boolean().default(true),
    })
    .prefault({}),
  input_columns: z.array(z.string()).optional(),
  batch_size: positive.optional(),
  repeat: positive.default(1),
});
/** As on the published command line, the path alone will do. */
const dataset = z.union([z.string(), datasetSection]);
export type PublishedDataset = z.output<typeof dataset>;

const optimizer = z.object({
  type: z
    .enum(['AdamWeightDecayX', 'FP32StateAdamWeightDecay', 'AdamWeightDecay', 'AdamW'])
    .default('AdamWeightDecayX'),
  beta1: z.number().min(0).lt(1).optional(),
  beta2: z.number().min(0).lt(1).optional(),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).optional(),
  eps: z.number().positive().default(1e-8),
  learning_rate: z.number().positive().optional(),
  weight_decay: z.number().nonnegative().default(0),
});

const schedule = z.object({
  type: z
    .enum(['CosineWithWarmUpLR', 'LinearWithWarmUpLR', 'ConstantWarmUpLR'])
    .default('CosineWithWarmUpLR'),
  learning_rate: z.number().positive(),
  lr_end: z.number().nonnegative().default(0),
  warmup_steps: natural.nullish(),
  warmup_ratio: z.number().min(0).max(1).nullish(),
  warmup_lr_init: z.literal(0).optional(),
  /** -1: from the data. */
  total_steps: z.union([positive, z.literal(-1)]).default(-1),
});

/** A cell with its numbers, or the fixed scale itself. */
const lossScale = z.union([
  z.number().positive(),
  z.discriminatedUnion('type', [
    z.object({
      type: z.literal('DynamicLossScaleUpdateCell'),
      loss_scale_value: z.number().positive(),
      scale_factor: z.number().gt(1).default(2),
      scale_window: positive.default(1000),
    }),
    z.object({ type: z.literal('FixedLossScaleUpdateCell'), loss_scale_value: z.number().positive() }),
  ]),
]);
export type PublishedLossScale = z.output<typeof lossScale>;

const checkpointCallback = {
  save_checkpoint_steps: positive.default(1),
  /** MindSpore's default. */
  keep_checkpoint_max: positive.default(5),
  async_save: z.boolean().default(false),
};

const callback = z.discriminatedUnion('type', [
  z.object({ type: z.literal('CheckpointMointor'), ...checkpointCallback }),
  z.object({ type: z.literal('CheckpointMonitor'), ...checkpointCallback }),
  z.object({ type: z.literal('SummaryMonitor') }),
  z.object({ type: z.literal('MFLossMonitor') }),
  z.object({ type: z.literal('ObsMonitor') }),
  z.object({ type: z.literal('EvalCallBack') }),
  z.object({ type: z.literal('ProfileMonitor') }),
]);

export const publishedRunSchema = z.object({
  seed: natural.default(0),
  output_dir: z.string().min(1).default('./output'),
  load_checkpoint: text,
  only_save_strategy: z
    .boolean()
    .refine((wanted) => !wanted, { message: 'true would train nothing; set it to false' })
    .default(false),
  /** Or the name of the checkpoint to go on from. */
  resume_training: z.union([z.boolean(), z.string()]).default(false),
  resume: z.union([z.boolean(), z.string().min(1)]).optional(),
  use_parallel: z.boolean().default(false),
  run_mode: z.enum(RUN_MODES).default('train'),
  task: z.literal('text_generation').optional(),
  device_id: natural.optional(),
  mindir_save_dir: text,
  tokenizer_file: text,
  predict_data: z.union([z.string(), z.array(z.string())]).nullish(),
  predict_length: positive.optional(),
  predict_batch: positive.optional(),
  prompt: text,
  streamer: z.boolean().optional(),
  optimizer_parallel: z.boolean().optional(),
  xinghe: z.record(z.string(), z.unknown()).nullish(),
  trainer: z.object({ model_name: z.string().optional() }).prefault({}),
  runner_config: z
    .object({
      epochs: positive.default(1),
      batch_size: positive.optional(),
      gradient_accumulation_steps: positive.default(1),
    })
    .prefault({}),
  optimizer: optimizer.prefault({}),
  lr_schedule: schedule.nullish(),
  train_dataset: dataset.prefault({}),
  eval_dataset: dataset.prefault({}),
  do_eval: z.boolean().default(false),
  eval_step_interval: z.union([positive, z.literal(-1)]).default(-1),
  eval_epoch_interval: z.union([positive, z.literal(-1)]).default(-1),
  parallel_config: z
    .object({
      data_parallel: positive.default(1),
      model_parallel: positive.default(1),
      pipeline_stage: positive.default(1),
      optimizer_shard: z.boolean().optional(),
      micro_batch_num: positive.default(1),
      use_seq_parallel: z.boolean().default(false),
      vocab_emb_dp: z.boolean().default(false),
      gradient_aggregation_group: positive.default(4),
    })
    .prefault({}),
  recompute_config: z
    .object({ recompute: z.boolean().default(false), select_recompute: z.boolean().default(false) })
    .prefault({}),
  callbacks: z.array(callback).default([]),
  context: z
    .object({
      device_target: z.enum(['Ascend', 'GPU', 'CPU']).default('Ascend'),
      device_id: natural.optional(),
    })
    .prefault({}),
  parallel: z.object({ enable_parallel_optimizer: z.boolean().default(false) }).prefault({}),
  processor: z
    .object({ tokenizer: z.object({ vocab_file: text, tokenizer_file: text }).prefault({}) })
    .prefault({}),
  metric: z.unknown().optional(),
  runner_wrapper: z
    .object({
      scale_sense: lossScale.optional(),
      use_clip_grad: z.boolean().default(false),
      max_grad_norm: z.number().positive().default(1),
    })
    .prefault({}),
  model: z.object({ model_config: z.record(z.string(), z.unknown()) }),
});
export type PublishedRunFile = z.output<typeof publishedRunSchema>;

const lora = z.object({
  pet_type: z.literal('lora'),
  lora_rank: positive,
  lora_alpha: z.number().positive(),
  lora_dropout: z.number().min(0).lt(1).default(0),
  /** q_proj|v_proj, or a pattern of that kind. */
  target_modules: z.string().min(1),
});

/** What of model.model_config is not the architecture's, in both families. */
export const runtimeModelSchema = z.object({
  compute_type: dtype.optional(),
  compute_dtype: dtype.optional(),
  pet_config: lora.nullish(),
  checkpoint_name_or_path: text,
  seq_parallel: z.boolean().default(false),
  eod_reset: z.boolean().default(false),
  enable_offload: z.boolean().default(false),
  do_sample: z.boolean().default(false),
  temperature: z.number().nonnegative().optional(),
  top_k: natural.optional(),
  top_p: z.number().min(0).max(1).optional(),
  repetition_penalty: z.number().positive().optional(),
  repetition_penalty_increase: z.number().optional(),
  max_length: positive.optional(),
  max_decode_length: positive.optional(),
});
export type RuntimeModelSection = z.output<typeof runtimeModelSchema>;
