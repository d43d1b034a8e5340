/** The 19 published run files against a table that was written by hand from them. They lie beside the repository. */
import { describe, expect, test } from 'vitest';
import { table } from '../../../tests/support/published/published-table.js';
import { requiresShared } from '../../../tests/support/requires.js';
import { sharedData } from '../../../tests/support/shared-data.js';
import { readConfigFile } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { trainConfigSchema } from '../../training/index.js';
import { checkTrainInput, valueAt } from '../imported-run.js';
import { isMapping } from '../key-tree.js';
import { isPublishedRun, loadPublishedRun, type PublishedRun } from './load-published-run.js';

const folder = sharedData('recipes');
/** Keys that count only beside another one, which these files set otherwise. */
const TOGETHER = [
  'parallel_config.optimizer_shard',
  'parallel.enable_parallel_optimizer',
  'recompute_config.select_recompute',
];

const files = Object.keys(table);
const pathOf = (name: string): string => `${folder}/${name}`;

describe('published run files', requiresShared(folder), () => {
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
