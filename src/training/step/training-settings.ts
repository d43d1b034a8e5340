/** The `training` section of a configuration: what the trainer and the loop around it read, under the names that users write. */
import { z } from 'zod';
import { objectiveSchema } from '../objective/objective-config.js';

const positive = z.int().positive();
const natural = z.int().nonnegative();

export const trainingSchema = z
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
    /** Default: dynamic from 2^16 for float16-mixed, none else. */
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
    /** Steps that the curve of the learning rate is made for, the minimum from there on. Default: those of the run. */
    schedule_steps: positive.optional(),
    warmup_steps: natural.optional(),
    warmup_ratio: z.number().min(0).max(1).optional(),
    schedule: z.enum(['cosine', 'linear', 'constant', 'wsd']).default('cosine'),
    /** spark: the warm-up has at least one step, so that step 0 has rate 0. deepspeed: one step late, as its schedulers. */
    schedule_form: z.enum(['hf', 'spark', 'deepspeed']).default('hf'),
    /** linear, or by the logarithm of the step, as DeepSpeed's schedulers do unless they are told. */
    warmup_form: z.enum(['linear', 'log']).default('linear'),
    /** Rate that the warm-up begins with. */
    warmup_learning_rate: z.number().nonnegative().default(0),
    /** Of wsd: steps of the decay at the end. Default: a tenth of all. */
    decay_steps: positive.optional(),
    /** uncorrected: without the correction of the moments' bias (MindFormers' FP32StateAdamWeightDecay). */
    adamw: z.enum(['torch', 'spark', 'uncorrected']).default('torch'),
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
      .strictObject({ optimizer: z.boolean().default(false), boundaries: z.boolean().default(false) })
      .prefault({}),
    /** target: a prediction counts by the mask of its target; input: of its input token, as Spark published it. */
    loss_alignment: z.enum(['target', 'input']).default('target'),
    /** Noise on the embeddings while training, uniform within alpha / sqrt(tokens * hidden size) (NEFTune, arXiv 2310.05914). */
    neftune_noise_alpha: z.number().positive().optional(),
    /** What is learned by. Default: cross-entropy over the loss masks. */
    objective: objectiveSchema.optional(),
    /** A step whose loss or gradients are not finite: end the run, leave the step out, or go back to the last checkpoint. */
    non_finite: z.enum(['stop', 'skip', 'rollback']).default('stop'),
  })
  .refine(({ steps, epochs }) => (steps === undefined) !== (epochs === undefined), {
    message: 'give either steps or epochs',
  })
  .refine(({ warmup_steps, warmup_ratio }) => warmup_steps === undefined || warmup_ratio === undefined, {
    message: 'give warmup_steps or warmup_ratio, not both',
  });

export type TrainingSettings = z.output<typeof trainingSchema>;

/** The section with its defaults. Throws ZodError for values that it does not allow. */
export function trainingSettings(values: z.input<typeof trainingSchema>): TrainingSettings {
  return trainingSchema.parse(values);
}
