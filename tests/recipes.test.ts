/** Every recipe is a configuration, and says what the published file says; one of the small ones trains here. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadPublishedRun, loadTrainingConfig } from '../src/compat/index.js';
import { sharedData } from './shared-data.js';
import { trainSmallRecipe } from './train-recipe.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-recipes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const named = (path: string): string[] =>
  readdirSync(path)
    .filter((name) => name.endsWith('.yaml'))
    .toSorted();
const recipes = named('recipes');
const small = named('recipes/debug');

test('every published run has a recipe, and every recipe a small one', () => {
  expect(recipes.filter((name) => name !== 'telechat-sft-small.yaml')).toHaveLength(13);
  const sizes = new Set(recipes.map((name) => name.replace('-32g', '')));
  sizes.delete('telechat-sft-small.yaml');
  expect(small).toEqual([...sizes].toSorted());
});

test.each([...recipes, ...small.map((name) => `debug/${name}`)])('%s is a configuration', (name) => {
  const { config, notes } = loadTrainingConfig(`recipes/${name}`);
  expect(notes).toEqual([]);
  expect(config.output).toMatch(/^out\//);
});

describe.skipIf(sharedData('recipes') === undefined)('recipes equal the published files', () => {
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

test('a small recipe trains', () => trainSmallRecipe('spark-sft.yaml', folder));
