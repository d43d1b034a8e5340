/** The configuration of a training run: our own YAML or JSON. Published run files are mapped onto it elsewhere. */
import { z } from 'zod';
import { SAMPLE_FORMS } from '../../data/index.js';
import { comparesAnswers } from '../objective/objective-config.js';
import { parallelSchema } from '../parallel/parallel-config.js';
import { trainingSchema } from '../step/training-settings.js';

/** Records of answers that are compared or judged; their shape is told by their keys. */
export const PREFERENCE_FORM = 'preference';

const positive = z.int().positive();
const natural = z.int().nonnegative();

const modelSchema = z
  .strictObject({
    /** A model folder or weight file to start from. */
    path: z.string().min(1).optional(),
    /** The config of these weights, where none lies beside them (MindSpore's own folders): a file, or the config itself. */
    path_config: z.union([z.string().min(1), z.record(z.string(), z.unknown())]).optional(),
    /** Or a config for a new model, its values drawn by the seed: a file, or the config itself. */
    config: z.union([z.string().min(1), z.record(z.string(), z.unknown())]).optional(),
    /** Default: the tokenizer in the model folder. */
    tokenizer: z.string().min(1).optional(),
    /** An adapter to merge into the weights before training. */
    adapter: z.string().min(1).optional(),
  })
  .refine(({ path, config }) => (path === undefined) !== (config === undefined), {
    message: 'give either path (weights to start from; path_config is their config) or config (a new model)',
  })
  .refine(({ path, path_config }) => path !== undefined || path_config === undefined, {
    message: 'path_config is the config of the weights at path, which is not given',
  });

/** Rows to train or evaluate on. */
const rowsShape = {
  /** What xinghe data prepare wrote, or a MindRecord file or folder; of a list the rows of all, in its order. */
  dataset: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
  /** Or files to be prepared in memory. */
  files: z.array(z.string().min(1)).min(1).optional(),
  /** text: {"text"}; messages: {"messages"}; telechat: {"input", "output"}; …; one record a line. */
  form: z.enum([...SAMPLE_FORMS, PREFERENCE_FORM]).optional(),
  /** Predictions in a row: rows hold one id more. Default 1024; a dataset has its own. */
  sequence_length: positive.optional(),
  /** Several samples in a row, in order, or one; default greedy. Text is always joined. */
  packing: z.enum(['greedy', 'none']).optional(),
  /**
   * Read each text of a packed row on its own. Default: true where dialogues are packed and where a dataset knows its
   * documents, false for joined text.
   */
  document_attention: z.boolean().optional(),
  /** Of files with dialogues: a Jinja chat template or a name (docs/cli.md). Default: the model's own format. */
  chat_template: z.string().min(1).optional(),
  /** Variables of the template, such as enable_thinking. */
  template_values: z.record(z.string(), z.unknown()).optional(),
  /** What is learned: what the loss mask names (the answers of dialogues), or every token but padding. */
  learn: z.enum(['masked', 'all']).default('masked'),
};

interface RowsChoice {
  readonly dataset?: string | readonly string[] | undefined;
  readonly files?: readonly string[] | undefined;
  readonly form?: unknown;
  readonly packing?: unknown;
  readonly chat_template?: unknown;
  readonly template_values?: unknown;
  readonly sequence_length?: unknown;
}

const isOneSource = ({ dataset, files }: RowsChoice): boolean =>
  (dataset === undefined) !== (files === undefined);
/** Held-out rows, which an evaluation by tasks alone has not. */
export const hasRows = ({ dataset, files }: RowsChoice): boolean =>
  dataset !== undefined || files !== undefined;
const hasForm = ({ files, form }: RowsChoice): boolean => (files === undefined) === (form === undefined);
const leavesDataset = ({ dataset, ...choices }: RowsChoice): boolean =>
  dataset === undefined ||
  (['packing', 'sequence_length', 'chat_template', 'template_values'] as const).every(
    (name) => choices[name] === undefined,
  );
const suitsText = ({ form, packing, chat_template, template_values }: RowsChoice): boolean =>
  form !== 'text' || (packing !== 'none' && chat_template === undefined && template_values === undefined);

const ONE_SOURCE = { message: 'give either dataset (prepared rows) or files (records)' };
const FORM = { message: 'files need form (what their records look like), a dataset has none' };
const DATASET = {
  message:
    'packing, sequence_length, chat_template and template_values of a dataset were chosen when it was prepared',
};

const TEXT = {
  message:
    'form text is learned as it is, joined: packing none, chat_template and template_values are for dialogues',
};

const dataSchema = z
  .strictObject({ ...rowsShape, shuffle: z.boolean().default(true) })
  .refine(isOneSource, ONE_SOURCE)
  .refine(hasForm, FORM)
  .refine(leavesDataset, DATASET)
  .refine(suitsText, TEXT);

/** A task of `xinghe evaluate`, and how it is asked; what is left out is as the set is published. */
const taskSchema = z.strictObject({
  task: z.string().min(1),
  /** Samples at most, from the files of the set in turns. */
  limit: positive.optional(),
  shots: natural.optional(),
  mode: z.enum(['loglikelihood', 'generate']).optional(),
  form: z.enum(['chat', 'plain']).optional(),
  max_new_tokens: positive.optional(),
});

const evaluationSchema = z
  .strictObject({
    ...rowsShape,
    /** Steps between evaluations; one is made at the end too. */
    every: positive.default(200),
    /** At most so many rows, the first ones. Default: all. */
    max_rows: positive.optional(),
    /** Evaluation tasks that are measured before the first step, every so many steps, and at the end. */
    tasks: z.array(taskSchema).min(1).optional(),
    /** Holds a folder for each set (docs/evaluation.md). */
    tasks_data: z.string().min(1).optional(),
    /** Steps between measurements of the tasks. Default: as `every`. */
    tasks_every: positive.optional(),
  })
  .refine(
    (evaluation) => isOneSource(evaluation) || (evaluation.tasks !== undefined && !hasRows(evaluation)),
    {
      message: 'give either dataset (prepared rows) or files (records), or tasks, or tasks beside rows',
    },
  )
  .refine(({ tasks, tasks_data }) => (tasks === undefined) === (tasks_data === undefined), {
    message: 'tasks need tasks_data (the folder that holds their sets), and it needs them',
  })
  .refine(({ tasks, tasks_every }) => tasks !== undefined || tasks_every === undefined, {
    message: 'tasks_every says when tasks are measured, and there are none',
  })
  .refine(({ tasks = [] }) => new Set(tasks.map(({ task }) => task)).size === tasks.length, {
    message: 'tasks name one task twice; each is measured once',
  })
  .refine(hasForm, FORM)
  .refine(leavesDataset, DATASET)
  .refine(suitsText, TEXT);

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
    /** How the ranks of `xinghe launch` share the run (docs/parallel.md). */
    parallel: parallelSchema.prefault({}),
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
  .refine(
    ({ checkpoints, evaluation }) =>
      !checkpoints.keep_best || (evaluation !== undefined && hasRows(evaluation)),
    {
      message:
        'checkpoints.keep_best needs an evaluation section with held-out rows to tell which one is best',
    },
  )
  .superRefine((config, context) => {
    const { training, watch } = config;
    const { objective } = training;
    const refuse = (path: string[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    for (const section of ['data', 'evaluation'] as const) {
      const rows = config[section];
      if (rows === undefined || !hasRows(rows)) continue;
      const isPreference = rows.form === PREFERENCE_FORM;
      if (comparesAnswers(objective) && !isPreference)
        refuse(
          [section],
          `training.objective (${objective.loss}) learns from answers that are compared or judged; give ${section}.files with ` +
            `form: ${PREFERENCE_FORM}`,
        );
      if (!comparesAnswers(objective) && isPreference)
        refuse(
          [section, 'form'],
          objective === undefined
            ? `records of the form ${PREFERENCE_FORM} need a training.objective that says what to learn from them (loss: dpo, …)`
            : `${objective.loss} learns from texts and dialogues; records of the form ${PREFERENCE_FORM} belong to another loss (dpo, …)`,
        );
      for (const key of ['packing', 'document_attention'] as const)
        if (isPreference && rows[key] !== undefined)
          refuse(
            [section, key],
            `${key} does not go with the form ${PREFERENCE_FORM}: sequences are never packed`,
          );
      if (isPreference && rows.learn === 'all')
        refuse(
          [section, 'learn'],
          'learn: all does not go with the form preference: answers alone are compared',
        );
    }
    if (objective?.loss === 'kto' && training.micro_batch_size < 2)
      refuse(
        ['training', 'micro_batch_size'],
        'kto estimates its KL term from the answers of a micro-batch given to one another; it needs 2 rows at least',
      );
    if (objective !== undefined && training.loss_alignment !== 'target')
      refuse(
        ['training', 'loss_alignment'],
        'loss_alignment: input belongs to cross-entropy; leave it out with an objective',
      );
    if (objective?.loss === 'distillation' && config.parallel.tensor > 1)
      refuse(
        ['parallel', 'tensor'],
        'distillation compares whole distributions of the next token, and tensor ranks have parts of the vocabulary; use parallel.data and zero',
      );
    if (objective?.loss === 'distillation' && config.parallel.context > 1)
      refuse(
        ['parallel', 'context'],
        'distillation compares the distributions of whole rows, and context ranks have parts of them; use parallel.data, zero and pipeline',
      );
    if (objective?.loss === 'reward' && watch.prompts !== undefined)
      refuse(['watch', 'prompts'], 'a reward model writes no text; leave watch.prompts out');
  })
  .refine(({ training, checkpoints }) => training.non_finite !== 'rollback' || checkpoints.every > 0, {
    message: 'training.non_finite: rollback needs checkpoints to go back to; set checkpoints.every',
  });

export type TrainConfig = z.output<typeof trainConfigSchema>;
