/** The 19 published run files against a table that was written by hand from them. They lie beside the repository. */
import { describe, expect, test } from 'vitest';
import { sharedData } from '../../../tests/shared-data.js';
import { readConfigFile } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { trainConfigSchema } from '../../training/index.js';
import { checkTrainInput, valueAt } from '../foreign-run.js';
import { isMapping } from '../key-tree.js';
import { isPublishedRun, loadPublishedRun, type PublishedRun } from './load-published-run.js';

const folder = sharedData('recipes');
const DYNAMIC = (initial: number, window: number) => ({ kind: 'dynamic', initial, factor: 2, window });
const FIXED_1 = { kind: 'fixed', initial: 1 };

const ascend = {
  mode: 'finetune',
  adamw: 'spark',
  eps: 1e-8,
  epochs: 10,
  rows: [1, 2],
  save: [1000, 5],
  total: 300000,
  recompute: 'full',
  sequenceParallel: false,
  shuffle: false,
  lora: undefined,
} as const;
const tuning = { ...ascend, rate: [3e-5, 3e-6], warmup: 0 } as const;
const LORA = { rank: 3, alpha: 128, dropout: 0 } as const;
const sparkInference = {
  mode: 'predict',
  adamw: 'torch',
  eps: 1e-8,
  rate: [1e-5, 0],
  warmup: { ratio: 0.03 },
  epochs: 1,
  rows: [1, 1],
  save: [1000, 5],
  total: undefined,
  precision: 'float16-mixed',
  scale: DYNAMIC(128, 100),
  recompute: 'none',
  sequenceParallel: false,
  shuffle: true,
  lora: undefined,
} as const;
const telechat = {
  mode: 'finetune',
  adamw: 'torch',
  eps: 1e-8,
  rate: [1e-5, 0],
  warmup: { ratio: 0 },
  epochs: 2,
  save: [100, 5],
  total: undefined,
  recompute: 'full',
  sequenceParallel: true,
  shuffle: true,
  lora: undefined,
} as const;
const telechatInference = {
  ...telechat,
  mode: 'predict',
  warmup: { ratio: 0.03 },
  epochs: 5,
  eps: 1e-5,
  rows: [1, 1],
  save: [50, 5],
  layout: [1, 1, 1],
  shard: false,
  scale: DYNAMIC(4096, 500),
  recompute: 'none',
  sequenceParallel: false,
  shuffle: false,
} as const;

/** rate: highest, lowest. rows: in a micro-batch, micro-batches in a step on one device. layout: data, model, pipeline. */
const table: Record<string, Expected> = {
  'spark/run_iflytekspark_13b_pretrain_800T_A2_64G.yaml': {
    ...ascend,
    mode: 'train',
    rate: [3e-4, 3e-5],
    warmup: 1020,
    layout: [2, 4, 1],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
  },
  'spark/run_iflytekspark_13b_pretrain_800_32G.yaml': {
    ...ascend,
    mode: 'train',
    rate: [3e-4, 3e-5],
    warmup: 1020,
    layout: [2, 8, 1],
    shard: true,
    precision: 'float16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
    sequenceParallel: true,
  },
  'spark/run_iflytekspark_13b_sft_800T_A2_64G.yaml': {
    ...tuning,
    layout: [2, 4, 1],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
  },
  'spark/run_iflytekspark_13b_sft_800_32G.yaml': {
    ...tuning,
    layout: [2, 8, 1],
    shard: true,
    precision: 'float16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
    sequenceParallel: true,
  },
  'spark/run_iflytekspark_13b_lora_800T_A2_64G.yaml': {
    ...tuning,
    rows: [1, 4],
    layout: [4, 2, 1],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
    lora: LORA,
  },
  'spark/run_iflytekspark_13b_lora_800_32G.yaml': {
    ...tuning,
    rows: [1, 1],
    layout: [1, 8, 1],
    shard: true,
    precision: 'float16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
    lora: LORA,
  },
  'spark/run_iflytekspark_13b_infer_800T_A2_64G.yaml': { ...sparkInference, layout: [1, 1, 1], shard: false },
  'spark/run_iflytekspark_13b_infer_800_32G.yaml': { ...sparkInference, layout: [1, 2, 1], shard: false },
  'spark/run_iflytekspark_13b_infer_lora_800T_A2_64G.yaml': {
    ...sparkInference,
    layout: [1, 1, 1],
    shard: false,
    lora: LORA,
  },
  'spark/run_iflytekspark_13b_infer_lora_800_32G.yaml': {
    ...sparkInference,
    layout: [1, 2, 1],
    shard: false,
    lora: LORA,
  },
  'spark/run_iflytekspark_13b_lite_infer_800T_A2_64G.yaml': {
    ...sparkInference,
    layout: [1, 1, 1],
    shard: false,
  },
  'spark/run_iflytekspark_13b_lite_infer_800T_A2_64G_dis.yaml': {
    ...sparkInference,
    layout: [1, 1, 1],
    shard: false,
  },
  'spark/run_iflytekspark_13b_lite_infer_800_32G.yaml': {
    ...sparkInference,
    layout: [1, 2, 1],
    shard: false,
  },
  'telechat-mindformers/finetune_telechat_7b.yaml': {
    ...telechat,
    rows: [4, 8],
    layout: [8, 1, 1],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
  },
  'telechat-mindformers/finetune_telechat_12b.yaml': {
    ...telechat,
    rows: [4, 8],
    layout: [8, 1, 1],
    shard: true,
    precision: 'float16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
  },
  'telechat-mindformers/finetune_telechat_52b.yaml': {
    ...telechat,
    rows: [1, 32],
    layout: [1, 8, 2],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
    save: [100, 100],
  },
  'telechat-mindformers/predict_telechat_7b.yaml': { ...telechatInference, precision: 'bfloat16-mixed' },
  'telechat-mindformers/predict_telechat_12b.yaml': { ...telechatInference, precision: 'float16-mixed' },
  'telechat-mindformers/predict_telechat_52b.yaml': {
    ...telechatInference,
    eps: 1e-8,
    rate: [1.5e-4, 1.5e-5],
    epochs: 1,
    save: [100, 100],
    layout: [1, 4, 1],
    shard: false,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
    decay: 0.01,
    shuffle: true,
  },
};

interface Expected {
  readonly mode: string;
  readonly adamw: string;
  readonly eps: number;
  readonly rate: readonly [number, number];
  readonly warmup: number | { readonly ratio: number };
  readonly epochs: number;
  readonly rows: readonly [number, number];
  readonly save: readonly [number, number];
  readonly total: number | undefined;
  readonly precision: string;
  readonly scale: object;
  readonly recompute: string;
  readonly sequenceParallel: boolean;
  readonly shuffle: boolean;
  readonly lora: object | undefined;
  readonly layout: readonly [number, number, number];
  readonly shard: boolean;
  readonly decay?: number;
}

/** Keys that count only beside another one, which these files set otherwise. */
const TOGETHER = [
  'parallel_config.optimizer_shard',
  'parallel.enable_parallel_optimizer',
  'recompute_config.select_recompute',
];

const files = Object.keys(table);
const pathOf = (name: string): string => `${folder}/${name}`;

describe.skipIf(folder === undefined)('published run files', () => {
  test.each(files)('%s', (name) => {
    const expected = table[name]!;
    const run = loadPublishedRun(pathOf(name));
    const config = trainConfigSchema.parse({
      ...run.train,
      data: { ...Object(run.train.data), dataset: 'x.mindrecord' },
    });
    const { training } = config;
    expect({
      mode: run.runMode,
      adamw: training.adamw,
      eps: training.eps,
      rate: [training.learning_rate, training.min_learning_rate],
      warmup: training.warmup_steps ?? { ratio: training.warmup_ratio },
      epochs: training.epochs,
      rows: [training.micro_batch_size, training.gradient_accumulation_steps],
      save: [config.checkpoints.every, config.checkpoints.keep_last],
      total: run.scheduleSteps,
      precision: training.precision,
      scale: valueAt(run.train, 'training', 'loss_scale'),
      recompute: training.recompute,
      sequenceParallel: run.parallel.sequenceParallel,
      shuffle: config.data.shuffle,
      layout: [run.parallel.dataParallel, run.parallel.modelParallel, run.parallel.pipelineStages],
      shard: run.parallel.optimizerShard,
      decay: training.weight_decay,
    }).toEqual({ ...expected, decay: expected.decay ?? 0, lora: undefined });
    expect([training.beta1, training.beta2, training.max_grad_norm]).toEqual([0.9, 0.95, 1]);
    expect([training.schedule, training.schedule_form, config.seed, config.output]).toEqual([
      'cosine',
      'spark',
      0,
      './output',
    ]);
    if (expected.lora === undefined) expect(config.lora).toBeUndefined();
    else {
      expect(config.lora).toMatchObject(expected.lora);
      expect(config.lora?.target_modules.toSorted()).toEqual(
        ['fc0', 'fc1', 'fc2', 'k_proj', 'out_proj', 'q_proj', 'v_proj'].toSorted(),
      );
    }
    expect(run.generation.sampling).toEqual({});
  });

  test('the models have the published sizes', () => {
    const sizes = (name: string): unknown => {
      const { model } = loadPublishedRun(pathOf(name));
      return [
        model.family,
        valueAt(model.config, 'vocab_size'),
        valueAt(model.config, 'tie_word_embeddings'),
      ];
    };
    expect(sizes('telechat-mindformers/finetune_telechat_7b.yaml')).toEqual(['telechat', 160256, true]);
    expect(sizes('telechat-mindformers/finetune_telechat_12b.yaml')).toEqual(['telechat', 120000, false]);
    expect(sizes('telechat-mindformers/finetune_telechat_52b.yaml')).toEqual([
      'telechat52b',
      80896,
      undefined,
    ]);
    expect(loadPublishedRun(pathOf('spark/run_iflytekspark_13b_sft_800_32G.yaml')).model.family).toBe(
      'spark',
    );
  });

  test.each(files)('%s: every value has an effect, or is listed as one without', (name) => {
    const value = readConfigFile(pathOf(name));
    const before = loadPublishedRun(value);
    const ignored = new Set(before.ignored.map(({ key }) => key));
    const idle = leaves(value).filter(
      (path) =>
        !path.some((_, depth) => ignored.has(path.slice(0, depth + 1).join('.'))) &&
        !hasEffect(value, path, before),
    );
    const keys = idle.map((path) => path.join('.'));
    expect(keys.filter((key) => !TOGETHER.includes(key))).toEqual([]);
  });

  test('files that are complete pass our schema', () => {
    const run = loadPublishedRun(pathOf('spark/run_iflytekspark_13b_lora_800T_A2_64G.yaml'), [
      'train_dataset.data_loader.dataset_dir=rows.mindrecord',
      'load_checkpoint=weights',
      'xinghe.training.steps=5',
      'xinghe.device=cpu',
    ]);
    expect(run.missing).toEqual([]);
    const config = checkTrainInput(run, 'x.yaml');
    expect(config.training).toMatchObject({ steps: 5, learning_rate: 3e-5 });
    expect(config.training.epochs).toBeUndefined();
    expect(config.model).toEqual({ path: 'weights' });
  });

  test('published files are told from ours', () => {
    for (const name of files) expect(isPublishedRun(readConfigFile(pathOf(name)))).toBe(true);
    expect(isPublishedRun(readConfigFile('recipes/telechat-sft-small.yaml'))).toBe(false);
  });
});

function leaves(value: unknown, path: readonly string[] = []): string[][] {
  if (Array.isArray(value) && value.some(isMapping))
    return value.flatMap((item, index) => leaves(item, [...path, String(index)]));
  if (!isMapping(value)) return [[...path]];
  return Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
}

/** True if another value at `path` changes the outcome, or if every other one is refused. */
function hasEffect(value: unknown, path: readonly string[], before: PublishedRun): boolean {
  const old = path.reduce<unknown>((here, key) => Object(here)[key] as unknown, value);
  const outcomes = othersThan(old).map((other) => outcomeOf(replaceAt(value, path, other)));
  const accepted = outcomes.filter((outcome) => outcome !== undefined);
  return accepted.length === 0 || accepted.some((outcome) => outcome !== JSON.stringify(before));
}

/** undefined: refused. */
function outcomeOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(loadPublishedRun(value));
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function othersThan(old: unknown): unknown[] {
  if (typeof old === 'boolean') return [!old];
  if (typeof old === 'number')
    return [old + 1, 2 * old + 1, old / 2, old + 1001].filter((other) => other !== old);
  return ['x'];
}

function replaceAt(value: unknown, [key, ...rest]: readonly string[], leaf: unknown): unknown {
  if (key === undefined) return leaf;
  if (Array.isArray(value))
    return value.map((item, index) => (String(index) === key ? replaceAt(item, rest, leaf) : item));
  return { ...Object(value), [key]: replaceAt(Object(value)[key], rest, leaf) };
}
