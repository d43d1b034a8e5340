/** Tensors without elements lie in no file; messages about them name the checkpoint all the same. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { messageOf } from '../errors/index.js';
import { readView, type TensorInput, writeSafetensors } from '../formats/index.js';
import { convertModel, loadModel } from '../models/index.js';
import { openModelCheckpoint } from './open-model-checkpoint.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-empty-tensors-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A model folder in which one more tensor, or one in the place of another, has no elements. */
function withEmpty(model: string, name: string, empty: Pick<TensorInput, 'dtype' | 'shape'>): string {
  const place = mkdtempSync(join(folder, 'model-'));
  const source = `${goldenFolder}${model}`;
  const [held] = openModelCheckpoint(`${source}/model.safetensors`).ranks;
  const tensors = new Map(
    [...(held ?? [])].map(([own, view]): [string, TensorInput] => [
      own,
      { name: own, dtype: view.dtype, shape: view.shape, bytes: () => readView(view) },
    ]),
  );
  tensors.set(name, { name, ...empty, bytes: () => [] });
  writeSafetensors(join(place, 'model.safetensors'), [...tensors.values()]);
  copyFileSync(`${source}/config.json`, join(place, 'config.json'));
  return place;
}

const NORM = 'model.norm.weight';
const HALF = 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight';

test.each<[string, string, Pick<TensorInput, 'dtype' | 'shape'>, RegExp]>([
  [
    'of another shape',
    NORM,
    { dtype: 'float32', shape: [0] },
    /tensor "model\.norm\.weight".* has shape \[0\]/,
  ],
  [
    'half of an adapter',
    HALF,
    { dtype: 'float32', shape: [0] },
    /lora_A\.weight" has shape \[0\]; half an adapter/,
  ],
  ['a parameter named twice', `module.${NORM}`, { dtype: 'float32', shape: [0] }, /are the same parameter/],
])('%s', async (_, name, empty, message) => {
  const place = withEmpty('xverse', name, empty);
  const said: string[] = [];
  const attempts = [() => loadModel(place), () => convertModel({ from: place, to: `${place}-out` })];
  for (const attempt of attempts)
    try {
      await attempt();
    } catch (error) {
      said.push(messageOf(error));
    }
  expect(said).toHaveLength(2);
  for (const text of said) {
    expect(text).toMatch(message);
    expect(text).not.toContain('undefined');
  }
});
