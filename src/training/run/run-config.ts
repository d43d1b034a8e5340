/** The configuration of a training run: our own YAML or JSON. Published run files are mapped onto it elsewhere. */
import { z } from 'zod';
import { SAMPLE_FORMS } from '../../data/index.js';

const positive = z.int().positive();
const natural = z.int().nonnegative();

const modelSchema = z
  .strictObject({
    /** A model folder or weight file to start from. */
    path: z.string().min(1).optional(),
    /** Or a config for a new model, its values drawn by the seed: a file, or the config itself. */
    config: z.union([z.string().min(1), z.record(z.string(), z.unknown())]).optional(),
    /** Default: the tokenizer in the model folder. */
    tokenizer: z.string().min(1).optional(),
    /** An adapter to merge into the weights before training. */
    adapter: z.string().min(1).optional(),
  })
  .refine(({ path, config }) => (path === undefined) !== (config === undefined), {
    message: 'give either path (weights to start from) or config (a new model)',
  });

/** Rows to train or evaluate on. */
const rowsShape = {
  /** What xinghe data prepare wrote, or a MindRecord file. */
  dataset: z.string().min(1).optional(),
  /** Or files to be prepared in memory. */
  files: z.array(z.string().min(1)).min(1).optional(),
  /** text: {"text"}; messages: {"messages"}; telechat: {"input", "output"}; …; one record a line. */
  form: z.enum(SAMPLE_FORMS).optional(),
  /** Predictions in a row: rows hold one id more. Default 1024; a dataset has its own. */
  sequence_length: positive.optional(),
  /** Several samples in a row, in order, or one; default greedy. Text is always joined. */
  packing: z.enum(['greedy', 'none']).optional(),
  /**
   * Read each text of a packed row on its own. Default: true where dialogues are packed and where a dataset knows its
   * documents, false for joined text.
   */
  document_attention: z.boolean().optional(),
};

interface RowsChoice {
  readonly dataset?: string | undefined;
  readonly files?: readonly string[] | undefined;
  readonly form?: unknown;
  readonly packing?: unknown;
  readonly sequence_length?: unknown;
}

const isOneSource = ({ dataset, files }: RowsChoice): boolean =>
  (dataset === undefined) !== (files === undefined);
const hasForm = ({ files, form }: RowsChoice): boolean => (files === undefined) === (form === undefined);
const leavesDataset = ({ dataset, packing, sequence_length }: RowsChoice): boolean =>
  dataset === undefined || (packing === undefined && sequence_length === undefined);

const ONE_SOURCE = { message: 'give either dataset (prepared rows) or files (records)' };
const FORM = { message: 'files need form (what their records look like), a dataset has none' };
const DATASET = { message: 'packing and sequence_length of a dataset were chosen when it was prepared' };

const dataSchema = z
  .strictObject({ ...rowsShape, shuffle: z.boolean().default(true) })
  .refine(isOneSource, ONE_SOURCE)
  .refine(hasForm, FORM)
  .refine(leavesDataset, DATASET);

const evaluationSchema = z
  .strictObject({
    ...rowsShape,
    /** Steps between evaluations; one is made at the end too. */
    every: positive.default(200),
    /** At most so many rows, the first ones. Default: all. */
    max_rows: positive.optional(),
  })
  .refine(isOneSource, ONE_SOURCE)
  .refine(hasForm, FORM)
  .refine(leavesDataset, DATASET);

const loraSchema = z.strictObject({
  rank: positive.default(8),
  alpha: z.number().positive().default(16),
  dropout: z.number().min(0).lt(1).default(0),
  /** Parts of published layer names, e.g. q_proj; a layer is adapted when its name contains one. */
  target_modules: z.array(z.string().min(1)).min(1),
  /** Scale by alpha / sqrt(rank) instead of alpha / rank (rsLoRA, arXiv 2312.03732). */
  rank_stabilized: z.boolean().default(false),
  /** Learn magnitude and direction apart (DoRA, arXiv 2402.09353). */
  dora: z.boolean().default(false),
  /** Learning rate of the B matrices as a multiple of that of the A matrices (LoRA+, arXiv 2402.12354). */
  plus_ratio: z.number().positive().default(1),
});

const trainingSchema = z
  .strictObject({
    /** Optimiser steps; or epochs. */
    steps: positive.optional(),
    epochs: z.number().positive().optional(),
    micro_batch_size: positive.default(4),
    gradient_accumulation_steps: positive.default(1),
    /**
     * float32, float64, bfloat16 (weights and optimiser state in it), bfloat16-mixed and float16-mixed (computing in 16
     * bit, master weights and optimiser state in float32). Default: the weights' own; float32 for a new model.
     */
    precision: z.enum(['float32', 'float64', 'bfloat16', 'bfloat16-mixed', 'float16-mixed']).optional(),
    /** Default: dynamic from 2^32 for float16-mixed, none else. */
    loss_scale: z
      .strictObject({
        kind: z.enum(['dynamic', 'fixed']).default('dynamic'),
        initial: z.number().positive().optional(),
        factor: z.number().gt(1).default(2),
        /** Steps without overflow before it grows. */
        window: positive.default(1000),
      })
      .optional(),
    learning_rate: z.number().positive().default(3e-4),
    min_learning_rate: z.number().nonnegative().default(0),
    warmup_steps: natural.optional(),
    warmup_ratio: z.number().min(0).max(1).optional(),
    schedule: z.enum(['cosine', 'linear', 'constant', 'wsd']).default('cosine'),
    /** spark: the warm-up has at least one step, so that step 0 has rate 0. */
    schedule_form: z.enum(['hf', 'spark']).default('hf'),
    /** Of wsd: steps of the decay at the end. Default: a tenth of all. */
    decay_steps: positive.optional(),
    adamw: z.enum(['torch', 'spark']).default('torch'),
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.95),
    eps: z.number().positive().default(1e-8),
    weight_decay: z.number().nonnegative().default(0),
    /** Parts of published names that are not decayed; default: everything that is not a matrix. */
    no_weight_decay: z.array(z.string().min(1)).optional(),
    max_grad_norm: z.number().positive().default(1),
    /** Compute segments again in the backward pass: all, every n-th block, or the blocks of these numbers. */
    recompute: z
      .union([
        z.enum(['none', 'full']),
        z.strictObject({ every: positive }),
        z.strictObject({ layers: z.array(natural).min(1) }),
      ])
      .default('none'),
    /** Keep on the CPU what an accelerator has no room for. */
    offload: z
      .strictObject({ optimizer: z.boolean().default(false), borders: z.boolean().default(false) })
      .prefault({}),
    /** target: a prediction counts by the mask of its target; input: of its input token, as Spark published it. */
    loss_alignment: z.enum(['target', 'input']).default('target'),
    /** A step whose loss or gradients are not finite: end the run, leave the step out, or go back to the last checkpoint. */
    non_finite: z.enum(['stop', 'skip', 'rollback']).default('stop'),
  })
  .refine(({ steps, epochs }) => (steps === undefined) !== (epochs === undefined), {
    message: 'give either steps or epochs',
  })
  .refine(({ warmup_steps, warmup_ratio }) => warmup_steps === undefined || warmup_ratio === undefined, {
    message: 'give warmup_steps or warmup_ratio, not both',
  });

const checkpointsSchema = z.strictObject({
  /** Steps between checkpoints; 0: only the final model. */
  every: natural.default(0),
  /** How many of them are kept; older ones are removed. Default: all. */
  keep_last: positive.optional(),
  /** Every so many steps one is kept for good. */
  keep_every: positive.optional(),
  /** Keep the one with the lowest evaluation loss, and end with its weights. */
  keep_best: z.boolean().default(false),
  /** Write in the background while training goes on. */
  async: z.boolean().default(false),
});

export const trainConfigSchema = z
  .strictObject({
    /** Folder of the run; must not hold another one, unless it is resumed. */
    output: z.string().min(1),
    seed: natural.default(42),
    device: z.string().default('cpu'),
    threads: positive.optional(),
    /** The same numbers on every run on this machine: matrix routes are fixed instead of measured. */
    deterministic: z.boolean().default(false),
    model: modelSchema,
    data: dataSchema,
    /** Held-out rows that are measured during the run. */
    evaluation: evaluationSchema.optional(),
    /** Train low-rank updates instead of the weights. */
    lora: loraSchema.optional(),
    training: trainingSchema,
    checkpoints: checkpointsSchema.prefault({}),
    /** How the run may be watched beside metrics.jsonl. */
    watch: z
      .strictObject({
        /** Serve a live page and Prometheus metrics on this port of 127.0.0.1; 0 takes a free one. */
        port: natural.max(65535).optional(),
        tensorboard: z.boolean().default(false),
        /** Prompts that the model continues at every evaluation. */
        prompts: z.array(z.string().min(1)).optional(),
      })
      .prefault({}),
  })
  .refine(({ checkpoints, evaluation }) => !checkpoints.keep_best || evaluation !== undefined, {
    message: 'checkpoints.keep_best needs an evaluation section to tell which one is best',
  })
  .refine(({ training, checkpoints }) => training.non_finite !== 'rollback' || checkpoints.every > 0, {
    message: 'training.non_finite: rollback needs checkpoints to go back to; set checkpoints.every',
  });

export type TrainConfig = z.output<typeof trainConfigSchema>;

/** The `training` section with its defaults. Throws ZodError for values that it does not allow. */
export function trainingSettings(values: z.input<typeof trainingSchema>): TrainConfig['training'] {
  return trainingSchema.parse(values);
}
