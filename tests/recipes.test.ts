/** Every recipe is a configuration, and says what the published file says; one of the small ones trains here. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadPublishedRun, loadTrainingConfig } from '../src/compat/index.js';
import { requiresShared } from './support/requires.js';
import { sharedData } from './support/shared-data.js';
import { trainSmallRecipe } from './support/train-recipe.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-recipes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const named = (path: string): string[] =>
  readdirSync(path)
    .filter((name) => name.endsWith('.yaml'))
    .toSorted();
const recipes = named('recipes');
const small = named('recipes/debug');
/** Those that nobody published. */
const ours = [
  'distillation-demo.yaml',
  'dpo-demo.yaml',
  'reward-demo.yaml',
  'smollm2-lora.yaml',
  'telechat-sft-small.yaml',
];

test('every published run has a recipe, and every recipe a small one', () => {
  const published = recipes.filter((name) => !ours.includes(name));
  expect(published).toHaveLength(13);
  const sizes = new Set(published.map((name) => name.replace('-32g', '')));
  expect(small).toEqual([...sizes].toSorted());
});

test.each([...recipes, ...small.map((name) => `debug/${name}`)])('%s is a configuration', (name) => {
  const { config, notes } = loadTrainingConfig(`recipes/${name}`);
  expect(notes).toEqual([]);
  expect(config.output).toMatch(/^out\//);
});

describe('recipes equal the published files', requiresShared(sharedData('recipes')), () => {
  test.each([
    ['spark-pretrain', 'pretrain_800T_A2_64G'],
    ['spark-pretrain-32g', 'pretrain_800_32G'],
    ['spark-sft', 'sft_800T_A2_64G'],
    ['spark-sft-32g', 'sft_800_32G'],
    ['spark-lora', 'lora_800T_A2_64G'],
    ['spark-lora-32g', 'lora_800_32G'],
  ])('%s', (name, published) => {
    const { config } = loadTrainingConfig(`recipes/${name}.yaml`);
    const path = `${sharedData('recipes')}/spark/run_iflytekspark_13b_${published}.yaml`;
    const mode = loadPublishedRun(path).runMode;
    const other = loadTrainingConfig(path, [
      `train_dataset.data_loader.dataset_dir=${config.data.dataset}`,
      'load_checkpoint=weights/spark-13b',
    ]).config;
    // The schedule's length, and the fixed scale of 1, are said otherwise.
    const without = ({ training }: typeof config) => {
      const { steps: _, epochs: __, loss_scale: scale, ...rest } = training;
      return { ...rest, scale: scale?.kind === 'fixed' ? undefined : scale };
    };
    expect(without(config)).toEqual(without(other));
    expect(config.lora && { ...config.lora, target_modules: config.lora.target_modules.toSorted() }).toEqual(
      other.lora && { ...other.lora, target_modules: other.lora.target_modules.toSorted() },
    );
    expect([config.data, config.checkpoints, config.seed]).toEqual([
      other.data,
      other.checkpoints,
      other.seed,
    ]);
    expect(config.training.steps).toBe(mode === 'train' ? 300000 : undefined);
  });
});

describe('recipes equal the published scripts', () => {
  test('telechat-7b-lora, telechat-12b-lora', () => {
    const script = loadTrainingConfig('tests/support/published/telechat-lora.sh', [
      'model_name_or_path=m',
    ]).config;
    for (const name of ['telechat-7b-lora', 'telechat-12b-lora']) {
      const { config } = loadTrainingConfig(`recipes/${name}.yaml`);
      expect([config.training, config.lora, config.checkpoints, config.seed]).toEqual([
        script.training,
        script.lora,
        script.checkpoints,
        script.seed,
      ]);
    }
  });

  test.each([
    ['telechat-7b-sft', ['lora_dim=0']],
    ['telechat-12b-sft', ['lora_dim=0']],
    ['telechat-52b-sft', ['lora_dim=0', 'precision=bf16', 'num_gpus=1', 'gradient_accumulation_steps=1']],
    ['telechat-52b-lora', ['precision=bf16', 'num_gpus=1', 'lora_module_name=attn.c_attn']],
  ])('%s', (name, overrides) => {
    const path = 'tests/support/published/telechat-lora.sh';
    const script = loadTrainingConfig(path, ['model_name_or_path=m', ...overrides]).config;
    const { config } = loadTrainingConfig(`recipes/${name}.yaml`);
    expect([config.training, config.lora]).toEqual([script.training, script.lora]);
  });

  test('xverse-13b-full', () => {
    const { config } = loadTrainingConfig('recipes/xverse-13b-full.yaml');
    const script = loadTrainingConfig('tests/support/published/xverse.sh', [
      'model_name_or_path=weights/xverse-13b',
      'dataset=data/alpaca_gpt4_en.json',
      'eval_dataset=data/held-out.json',
      'output_dir=out/xverse-13b-full',
    ]).config;
    const { warmup_steps: none, ...training } = script.training;
    expect(none).toBe(0);
    expect({ ...config }).toEqual({ ...script, training });
  });
});

test('a small recipe trains', () => trainSmallRecipe('spark-sft.yaml', folder));
