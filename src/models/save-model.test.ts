/** Models to folders and back, and the containers that a folder may hold. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder, goldenModels, goldenTensors } from '../../tests/support/golden.js';
import { loadWeights, publishedParameters, saveWeights } from '../checkpoint/index.js';
import { readConfigFile } from '../config/index.js';
import { readSafetensorsHeader } from '../formats/index.js';
import { noGrad, scope } from '../tensor/index.js';
import { loadModel } from './load-model.js';
import { findConfig, loadArchitecture } from './registry.js';
import { saveModel } from './save-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-models-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** SHA-256 of every tensor: comparing the bytes themselves one by one takes seconds. */
function digestsOf(path: string): Map<string, string> {
  const { model, architecture } = loadModel(path);
  const parameters = publishedParameters(model, architecture.names);
  const digests = scope(
    () =>
      new Map(
        [...parameters].map(([name, tensor]) => [
          name,
          `${tensor.dtype} [${tensor.shape}] ${createHash('sha256').update(tensor.toBytes()).digest('hex')}`,
        ]),
      ),
  );
  model.dispose();
  return digests;
}

describe.each(goldenModels)('%s', (name) => {
  const source = `${goldenFolder}${name}`;

  test('saved and loaded again, every tensor has the same bytes, and the config the same keys', async () => {
    const loaded = loadModel(source);
    const target = join(folder, name);
    await saveModel(target, loaded);
    loaded.model.dispose();
    expect(digestsOf(target)).toEqual(digestsOf(source));
    expect(readConfigFile(findConfig(target))).toEqual(readConfigFile(findConfig(source)));
    expect(readSafetensorsHeader(join(target, 'model.safetensors')).metadata).toEqual({ format: 'pt' });
  });

  test('shards hold the same', () => {
    const { model, architecture } = loadModel(source);
    const target = mkdtempSync(join(folder, 'shards-'));
    saveWeights(model, architecture.names, target, { maxShardBytes: 40_000 });
    const shards = readdirSync(target);
    expect(shards.length).toBeGreaterThan(2);
    const again = architecture.createModel();
    loadWeights(again, architecture.tables, target);
    for (const [index, [path, parameter]] of model.namedParameters().entries())
      expect(again.namedParameters()[index]?.[1].equals(parameter), path).toBe(true);
    again.dispose();
    model.dispose();
  });
});

test('published shards give the logits of the single file, bit for bit', () => {
  const logits = ['xverse', 'xverse/sharded'].map((name) => {
    const { model } = loadModel(`${goldenFolder}${name}`);
    const inputIds = goldenTensors('xverse/peft_expected.safetensors')('input_ids').to('int64');
    return noGrad(() => model.forward(inputIds));
  });
  expect(logits[0]?.equals(logits[1] ?? logits[0])).toBe(true);
  expect(logits[1]).toBeDefined();
});

test('the tokenizer goes with the model, under a name that a folder is searched for', async () => {
  const tokenizers = `${goldenFolder}tokenizers`;
  for (const [tokenizer, expected] of [
    [`${tokenizers}/bbpe_gpt2/tokenizer.json`, 'tokenizer.json'],
    [`${tokenizers}/spm_bpe_bytefallback`, 'tokenizer.model'],
    [join(folder, 'mine.json'), 'tokenizer.json'],
  ] as const) {
    writeFileSync(join(folder, 'mine.json'), '{}');
    const loaded = loadModel(`${goldenFolder}xverse`);
    const target = join(folder, 'with-tokenizer');
    await saveModel(target, loaded, tokenizer);
    expect(readdirSync(target).sort()).toEqual(['config.json', 'model.safetensors', expected]);
    loaded.model.dispose();
  }
});

test('one model replaces another as a whole', async () => {
  const target = join(folder, 'replaced');
  for (const name of ['spark', 'xverse']) {
    const loaded = loadModel(`${goldenFolder}${name}`);
    await saveModel(target, loaded);
    loaded.model.dispose();
  }
  expect(readdirSync(target).sort()).toEqual(['config.json', 'model.safetensors']);
  expect(loadArchitecture(findConfig(target)).family).toBe('xverse');
  expect(readFileSync(join(target, 'config.json'), 'utf8')).toMatch(/^\{\n {2}"/);
  expect(readdirSync(folder).filter((entry) => entry.startsWith('.'))).toEqual([]);
});
