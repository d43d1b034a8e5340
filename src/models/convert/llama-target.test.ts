/** Conversions to transformers' Llama: as our own Llama they say the same, and what is no Llama is refused. */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { readJsonFile } from '../../formats/index.js';
import { listenToLog } from '../../log/index.js';
import { loadModelArchitecture } from '../load-model.js';
import { convertModel } from './convert-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-llama-target-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A golden model in a folder of its own, with other files beside it. */
function source(name: string, golden: string, files: Readonly<Record<string, string>> = {}): string {
  const made = join(folder, name);
  mkdirSync(made);
  for (const file of ['config.json', 'model.safetensors'])
    copyFileSync(`${goldenFolder}${golden}/${file}`, join(made, file));
  for (const [file, from] of Object.entries(files)) copyFileSync(`${goldenFolder}${from}`, join(made, file));
  return made;
}

test.for(['xverse', 'telechat-7b', 'telechat-12b', 'telechat-52b'])('%s', async (golden) => {
  const to = join(folder, `${golden}-as-llama`);
  const { logits } = await convertModel({
    from: `${goldenFolder}${golden}`,
    to,
    as: 'llama',
    checkLogits: true,
  });
  expect(logits?.largestDifference).toBeLessThanOrEqual(1e-4);
  expect(loadModelArchitecture(to).family).toBe('llama');
});

test('a class of tokenizer that would have to be fetched is replaced; rules that Llama lacks are told', async () => {
  const from = source('own-class', 'telechat-12b', {
    'tokenizer.model': 'tokenizers/spm_bpe_bytefallback/tokenizer.model',
  });
  const remote = { auto_map: { AutoTokenizer: ['tokenization_telechat.TelechatTokenizer', null] } };
  writeFileSync(
    join(from, 'tokenizer_config.json'),
    JSON.stringify({ ...remote, tokenizer_class: 'TelechatTokenizer', eos_token: '<_end>' }),
  );
  const told = vi.fn<(text: string) => void>();
  const stop = listenToLog(told);
  await convertModel({ from, to: join(folder, 'plain-class'), as: 'llama' });
  stop();
  expect(readJsonFile(join(folder, 'plain-class', 'tokenizer_config.json'))).toEqual({
    add_bos_token: false,
    add_eos_token: false,
    tokenizer_class: 'LlamaTokenizer',
    eos_token: '<_end>',
  });
  expect(told.mock.calls.flat().join('\n')).toMatch(
    /characters are normalised, spaces in a row become one.*other ids/,
  );
});

const refused = (from: string, options: object = {}) =>
  convertModel({ from: `${goldenFolder}${from}`, to: join(folder, 'refused'), as: 'llama', ...options });

test('what is no Llama is refused by name, and nothing is written', async () => {
  await expect(refused('spark')).rejects.toThrow(/LayerNorm, a gated GELU/);
  await expect(refused('qwen2')).rejects.toThrow(/transformers knows qwen2 by itself/);
  await expect(refused('telechat-12b/model.safetensors', { configPath: '/dev/null' })).rejects.toThrow();
  await expect(refused('xverse', { names: 'own' })).rejects.toThrow(/leave --names/);
  await expect(refused('xverse', { states: 'keep' })).rejects.toThrow(/no place for optimiser states/);
  await expect(refused('xverse', { to: join(folder, 'x.safetensors') })).rejects.toThrow(/name a folder/);
  await expect(refused('xverse', { to: join(folder, 'x.gguf') })).rejects.toThrow(/name a folder/);
  expect(readdirSync(folder).filter((name) => /refused|^x\./.test(name))).toEqual([]);
});
