/** The configuration of a training run: our own YAML or JSON. Published run files are mapped onto it elsewhere. */
import { z } from 'zod';
import { SAMPLE_FORMS } from '../data/index.js';

const positive = z.int().positive();

export const trainConfigSchema = z.strictObject({
  /** Folder of the run; must not hold another one. */
  output: z.string().min(1),
  seed: z.int().nonnegative().default(42),
  device: z.string().default('cpu'),
  threads: positive.optional(),
  model: z
    .strictObject({
      /** A model folder or weight file to start from. */
      path: z.string().min(1).optional(),
      /** Or a config for a new model, its values drawn by the seed: a file, or the config itself. */
      config: z.union([z.string().min(1), z.record(z.string(), z.unknown())]).optional(),
      /** Default: the tokenizer in the model folder. */
      tokenizer: z.string().min(1).optional(),
      /** Default: that of the weights; float32 for a new model. */
      dtype: z.enum(['float32', 'float64', 'bfloat16', 'float16']).optional(),
    })
    .refine(({ path, config }) => (path === undefined) !== (config === undefined), {
      message: 'give either path (weights to start from) or config (a new model)',
    }),
  data: z
    .strictObject({
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
      shuffle: z.boolean().default(true),
      /**
       * Read each text of a packed row on its own. Default: true where dialogues are packed, false for joined text and for
       * a dataset without document ids.
       */
      document_attention: z.boolean().optional(),
    })
    .refine(({ dataset, files }) => (dataset === undefined) !== (files === undefined), {
      message: 'give either dataset (prepared rows) or files (records)',
    })
    .refine(({ files, form }) => (files === undefined) === (form === undefined), {
      message: 'files need form (what their records look like), a dataset has none',
    })
    .refine(
      ({ dataset, packing, sequence_length }) =>
        dataset === undefined || (packing === undefined && sequence_length === undefined),
      { message: 'packing and sequence_length of a dataset were chosen when it was prepared' },
    ),
  /** Train low-rank updates instead of the weights. */
  lora: z
    .strictObject({
      rank: positive.default(8),
      alpha: z.number().positive().default(16),
      dropout: z.number().min(0).lt(1).default(0),
      /** Parts of published layer names, e.g. q_proj; a layer is adapted when its name contains one. */
      target_modules: z.array(z.string().min(1)).min(1),
    })
    .optional(),
  training: z
    .strictObject({
      /** Optimiser steps; or epochs. */
      steps: positive.optional(),
      epochs: z.number().positive().optional(),
      micro_batch_size: positive.default(4),
      gradient_accumulation_steps: positive.default(1),
      learning_rate: z.number().positive().default(3e-4),
      min_learning_rate: z.number().nonnegative().default(0),
      warmup_steps: z.int().nonnegative().optional(),
      warmup_ratio: z.number().min(0).max(1).optional(),
      schedule: z.enum(['hf', 'spark']).default('hf'),
      adamw: z.enum(['torch', 'spark']).default('torch'),
      beta1: z.number().min(0).lt(1).default(0.9),
      beta2: z.number().min(0).lt(1).default(0.95),
      eps: z.number().positive().default(1e-8),
      weight_decay: z.number().nonnegative().default(0),
      /** Parts of published names that are not decayed; default: everything that is not a matrix. */
      no_weight_decay: z.array(z.string().min(1)).optional(),
      max_grad_norm: z.number().positive().default(1),
      recompute: z.enum(['none', 'full']).default('none'),
      /** target: a prediction counts by the mask of its target; input: of its input token, as Spark published it. */
      loss_alignment: z.enum(['target', 'input']).default('target'),
      /** Steps between checkpoints; 0: only the final model. */
      save_every: z.int().nonnegative().default(0),
    })
    .refine(({ steps, epochs }) => (steps === undefined) !== (epochs === undefined), {
      message: 'give either steps or epochs',
    })
    .refine(({ warmup_steps, warmup_ratio }) => warmup_steps === undefined || warmup_ratio === undefined, {
      message: 'give warmup_steps or warmup_ratio, not both',
    }),
});

export type TrainConfig = z.output<typeof trainConfigSchema>;
