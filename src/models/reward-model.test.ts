/** Reward models of every family: told by their config, saved as a classifier of one label, loaded again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder, goldenModels } from '../../tests/support/golden.js';
import { openSafetensorsModel } from '../formats/index.js';
import { intTensor, noGrad, RandomGenerator, scope } from '../tensor/index.js';
import {
  type LoadedModel,
  lastScores,
  loadArchitecture,
  loadModel,
  loadModelArchitecture,
  parseArchitecture,
  saveModel,
  withScoreHead,
} from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-reward-'));
afterAll(() => rmSync(folder, { recursive: true }));

function scoring(family: string): LoadedModel {
  const generator = new RandomGenerator(5);
  const loaded = scope(() => withScoreHead(loadModel(`${goldenFolder}${family}`), generator));
  generator.dispose();
  return loaded;
}

function scoresOf({ model }: LoadedModel): number[] {
  const ids = intTensor([5, 9, 11, 7, 5, 9, 0, 0], [2, 4]);
  return scope(() => noGrad(() => lastScores(model.forward(ids), [4, 2]).toArray()));
}

describe.each(goldenModels)('%s', (family) => {
  test('saved and loaded: the same scores', async () => {
    const loaded = scoring(family);
    const scores = scoresOf(loaded);
    expect(scores.every(Number.isFinite)).toBe(true);
    expect(scores[0]).not.toBe(scores[1]);
    const path = join(folder, family);
    await saveModel(path, loaded);
    const { tensors } = openSafetensorsModel(path);
    expect(tensors.get('score.weight')?.shape).toEqual([1, loaded.model.shape.hiddenSize]);
    expect(tensors.has('lm_head.weight')).toBe(false);
    const again = loadModel(path, { output: 'score' });
    expect(again.architecture.output).toBe('score');
    expect(scoresOf(again)).toEqual(scores);
    again.model.dispose();
    loaded.model.dispose();
    expect(() => loadModel(path)).toThrow(`${path}: this is a reward model`);
    expect(() => loadModelArchitecture(path)).toThrow('writes no text');
  });

  test('a text scores the same whatever is beside it', () => {
    const loaded = scoring(family);
    const alone = scope(() =>
      noGrad(() => lastScores(loaded.model.forward(intTensor([5, 9], [1, 2])), [2]).toArray()),
    );
    expect(Math.abs((alone[0] ?? 0) - (scoresOf(loaded)[1] ?? 0))).toBeLessThan(1e-5);
    loaded.model.dispose();
  });
});

test("Spark's own mark", () => {
  const section = loadArchitecture(`${goldenFolder}spark/model_config.yaml`).publishedConfig;
  const model = Object(section).model ?? section;
  const marked = { ...Object(model.model_config ?? model), is_reward_model: true };
  const architecture = parseArchitecture(marked, 'test');
  expect(architecture.output).toBe('score');
  const { publishedConfig } = loadArchitecture(join(folder, 'spark', 'model_config.yaml'));
  const saved = Object(publishedConfig);
  const inside = saved.model?.model_config ?? saved.model_config ?? saved;
  expect(inside.is_reward_model).toBe(true);
});

test('labels: one, by number or by name; more are refused', () => {
  const { publishedConfig } = loadArchitecture(`${goldenFolder}xverse/config.json`);
  const config = { ...Object(publishedConfig), architectures: ['LlamaForSequenceClassification'] };
  expect(parseArchitecture({ ...config, num_labels: 1 }, 'test').output).toBe('score');
  expect(parseArchitecture({ ...config, id2label: { 0: 'LABEL_0' } }, 'test').output).toBe('score');
  // transformers leaves the default, 2, away.
  expect(() => parseArchitecture(config, 'test')).toThrow('test: a classifier of 2 labels');
  expect(() => parseArchitecture({ ...config, num_labels: 3 }, 'test')).toThrow('a classifier of 3 labels');
  expect(parseArchitecture(Object(publishedConfig), 'test').output).toBeUndefined();
});
