/**
 * Arguments of XVERSE's published fine-tuning: src/train_bash.py of LLaMA Efficient Tuning with a DeepSpeed file. What they
 * leave out has that program's defaults: AdamW 0.9, 0.999, 1e-8 and no decay, rows of 1024 ids.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { type DeepspeedConfig, loadDeepspeedConfig } from '../deepspeed/load-deepspeed-config.js';
import type { TrainInput } from '../imported-run.js';
import { type KeyTree, mapped, sortKeys } from '../key-tree.js';
import type { ArgumentRun } from './argument-run.js';
import { deviceWarnings, filledIn, text, unfilled } from './argument-values.js';
import { scheduleOf, schedulerName, type Warmup } from './scheduler-argument.js';

const THREADS = 'files are read and encoded as they come';
const METRICS = 'every step is in metrics.jsonl, and the loss is always plotted';
const REPLACED = 'a run never writes over another';

export const xverseKeys: KeyTree = {
  stage: mapped,
  model_name_or_path: mapped,
  do_train: mapped,
  do_eval: mapped,
  resume_from_checkpoint: mapped,
  dataset: mapped,
  eval_dataset: mapped,
  dataset_dir: mapped,
  template: mapped,
  finetuning_type: mapped,
  output_dir: mapped,
  per_device_train_batch_size: mapped,
  gradient_accumulation_steps: mapped,
  lr_scheduler_type: mapped,
  warmup_steps: mapped,
  warmup_ratio: mapped,
  save_steps: mapped,
  save_total_limit: mapped,
  eval_steps: mapped,
  evaluation_strategy: mapped,
  load_best_model_at_end: mapped,
  learning_rate: mapped,
  max_grad_norm: mapped,
  num_train_epochs: mapped,
  max_steps: mapped,
  weight_decay: mapped,
  adam_beta1: mapped,
  adam_beta2: mapped,
  adam_epsilon: mapped,
  bf16: mapped,
  fp16: mapped,
  seed: mapped,
  cutoff_len: mapped,
  max_source_length: mapped,
  max_target_length: mapped,
  gradient_checkpointing: mapped,
  lora_rank: mapped,
  lora_alpha: mapped,
  lora_dropout: mapped,
  lora_target: mapped,
  deepspeed: mapped,
  num_gpus: mapped,
  xinghe: mapped,
  padding_side: 'rows are padded to the longest of their micro-batch, and padding is never learned',
  per_device_eval_batch_size: 'the evaluation takes rows as training does',
  preprocessing_num_workers: THREADS,
  overwrite_cache: THREADS,
  overwrite_output_dir: REPLACED,
  logging_steps: METRICS,
  plot_loss: METRICS,
  report_to: METRICS,
  ddp_timeout: 'one process runs',
  local_rank: 'one process runs',
};

const positive = z.int().positive();
const rate = z.number().min(0).lt(1);

const schema = z.object({
  stage: z.enum(['sft', 'pt']).default('sft'),
  model_name_or_path: text,
  do_train: z
    .boolean()
    .refine((wanted) => wanted, { message: 'must be given; other work has commands of its own' })
    .default(true),
  do_eval: z.boolean().default(false),
  dataset: text,
  eval_dataset: text,
  dataset_dir: text,
  template: z.enum(['default', 'xverse', 'vanilla']).default('default'),
  finetuning_type: z.enum(['full', 'lora']).default('full'),
  output_dir: text,
  per_device_train_batch_size: positive.default(8),
  gradient_accumulation_steps: positive.default(1),
  lr_scheduler_type: schedulerName.default('linear'),
  warmup_steps: z.int().nonnegative().default(0),
  warmup_ratio: z.number().min(0).max(1).optional(),
  save_steps: positive.default(500),
  save_total_limit: positive.optional(),
  eval_steps: positive.optional(),
  evaluation_strategy: z.enum(['no', 'steps', 'epoch']).default('no'),
  load_best_model_at_end: z.boolean().default(false),
  learning_rate: z.number().positive().default(5e-5),
  max_grad_norm: z.number().positive().default(1),
  num_train_epochs: z.number().positive().default(3),
  max_steps: positive.optional(),
  weight_decay: z.number().nonnegative().default(0),
  adam_beta1: rate.default(0.9),
  adam_beta2: rate.default(0.999),
  adam_epsilon: z.number().positive().default(1e-8),
  /** A folder, or true for the last one of the output. */
  resume_from_checkpoint: z.union([z.boolean(), z.string().min(1)]).optional(),
  bf16: z.boolean().default(false),
  fp16: z.boolean().default(false),
  seed: z.int().nonnegative().default(42),
  cutoff_len: positive.optional(),
  max_source_length: positive.default(512),
  max_target_length: positive.default(512),
  gradient_checkpointing: z.boolean().default(false),
  lora_rank: positive.default(8),
  lora_alpha: z.number().positive().default(32),
  lora_dropout: rate.default(0.1),
  lora_target: z.string().min(1).default('q_proj,v_proj'),
  deepspeed: text,
  /** Of the deepspeed launcher. */
  num_gpus: positive.optional(),
  xinghe: z.record(z.string(), z.unknown()).optional(),
});
type Arguments = z.output<typeof schema>;

/**
 * @param values what the arguments say, overrides applied
 * @param source the script; a DeepSpeed file that is not in the working folder is looked for beside it
 */
export function readXverseArguments(values: unknown, source: string): ArgumentRun {
  const ignored = sortKeys(values, xverseKeys, source);
  const args = parseConfig(schema, values, { source });
  const precision = args.bf16 ? 'bf16' : args.fp16 ? 'fp16' : 'fp32';
  const path = filledIn(args.deepspeed);
  const file = path === undefined ? {} : existsSync(path) ? path : join(dirname(source), path);
  const deepspeed = loadDeepspeedConfig(file, {
    microBatchSize: args.per_device_train_batch_size,
    gradientAccumulationSteps: args.gradient_accumulation_steps,
    maxGradNorm: args.max_grad_norm,
    learningRate: args.learning_rate,
    precision,
  });
  const accumulation = deepspeed.training.gradient_accumulation_steps ?? args.gradient_accumulation_steps;
  const devices = devicesOf(args, deepspeed, accumulation, source);
  const data = fileOf(args.dataset);
  const held = fileOf(args.eval_dataset);
  const rows = {
    form: args.stage === 'pt' ? 'text' : 'alpaca',
    sequence_length: args.cutoff_len ?? args.max_source_length + args.max_target_length,
    packing: 'none',
  } as const;
  const wantsEvaluation = args.evaluation_strategy !== 'no';
  const train: TrainInput = {
    output: filledIn(args.output_dir) ?? 'output',
    seed: args.seed,
    model: modelPath(args) === undefined ? {} : { path: modelPath(args) },
    data: { ...(data !== undefined && { files: [data] }), ...rows, shuffle: true },
    ...(wantsEvaluation &&
      held !== undefined && {
        evaluation: { files: [held], ...rows, every: args.eval_steps ?? args.save_steps },
      }),
    ...(args.finetuning_type === 'lora' && {
      lora: {
        rank: args.lora_rank,
        alpha: args.lora_alpha,
        dropout: args.lora_dropout,
        target_modules: args.lora_target.split(','),
      },
    }),
    training: {
      ...(args.max_steps === undefined ? { epochs: args.num_train_epochs } : { steps: args.max_steps }),
      precision: precisionOf(args),
      max_grad_norm: args.max_grad_norm,
      learning_rate: args.learning_rate,
      ...scheduleOf(args.lr_scheduler_type, warmupOf(args)),
      adamw: 'torch',
      beta1: args.adam_beta1,
      beta2: args.adam_beta2,
      eps: args.adam_epsilon,
      weight_decay: args.weight_decay,
      recompute: args.gradient_checkpointing ? 'full' : 'none',
      micro_batch_size: args.per_device_train_batch_size,
      ...deepspeed.training,
      gradient_accumulation_steps: accumulation * devices,
    },
    checkpoints: {
      every: args.save_steps,
      ...(args.save_total_limit !== undefined && { keep_last: args.save_total_limit }),
      keep_best: args.load_best_model_at_end && wantsEvaluation && held !== undefined,
    },
  };
  return {
    train,
    own: args.xinghe,
    zeroStage: deepspeed.zero.stage,
    knowsDevices: deepspeed.globalBatch !== undefined,
    resume: args.resume_from_checkpoint ?? false,
    ignored: [
      ...ignored,
      ...deepspeed.ignored.map(({ key, reason }) => ({ key: `deepspeed.${key}`, reason })),
    ],
    warnings: [
      ...deviceWarnings(devices),
      ...deepspeed.warnings,
      ...(wantsEvaluation && held === undefined
        ? [
            'no data is held out: nothing is evaluated, and the last model counts; --set eval_dataset=FILE changes that.',
          ]
        : []),
    ],
    missing: [
      ...unfilled('model_name_or_path', modelPath(args), 'a model folder'),
      ...(data === undefined
        ? [
            {
              key: 'dataset',
              message: `${args.dataset ?? 'nothing'} is a name that the published program knows; give the file: --set dataset=FILE.`,
            },
          ]
        : []),
    ],
  };
}

/** @throws InputError where train_batch_size of the DeepSpeed file is not what all devices come to, as DeepSpeed */
function devicesOf(
  args: Arguments,
  { globalBatch, training }: DeepspeedConfig,
  accumulation: number,
  source: string,
): number {
  if (globalBatch === undefined) return args.num_gpus ?? 1;
  const rows = (training.micro_batch_size ?? args.per_device_train_batch_size) * accumulation;
  const devices = globalBatch / rows;
  if (args.num_gpus === undefined || args.num_gpus === devices) return devices;
  throw new InputError(
    `${source}: train_batch_size of the DeepSpeed file is ${globalBatch}, but ${args.num_gpus} devices with ${rows} rows make ` +
      `${args.num_gpus * rows}; set one of them (--set num_gpus=N).`,
  );
}

/** As TrainingArguments: steps above 0 count before the ratio. */
function warmupOf({ warmup_steps: steps, warmup_ratio: ratio }: Arguments): Warmup {
  return steps > 0 || ratio === undefined ? { warmup_steps: steps } : { warmup_ratio: ratio };
}

/** model_path is what the published script has in this place. */
function modelPath({ model_name_or_path: path }: Arguments): string | undefined {
  return path === 'model_path' ? undefined : filledIn(path);
}

/** Names of known data sets have no ending. */
function fileOf(name: string | undefined): string | undefined {
  const file = filledIn(name);
  return file !== undefined && /[./\\]/.test(file) ? file : undefined;
}

function precisionOf({ bf16, fp16 }: Arguments): TrainInput['training']['precision'] {
  if (bf16) return 'bfloat16-mixed';
  return fp16 ? 'float16-mixed' : 'float32';
}
