/** A GGUF named where a model or a tokenizer is wanted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { withTokenizer } from '../../tests/support/gguf-models.js';
import { InputError } from '../errors/index.js';
import { convertModel } from '../models/index.js';
import { plan } from './plan/plan.js';
import { tokenizer } from './tokenizer/tokenizer.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-gguf-paths-'));
const gguf = join(folder, 'model.gguf');
const source = join(folder, 'llama');
beforeAll(async () => {
  withTokenizer('llama', source);
  await convertModel({ from: source, to: gguf });
});
afterAll(() => rmSync(folder, { recursive: true }));

let printed = '';
beforeEach(() => {
  printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

async function outputOf(run: Promise<number>): Promise<string> {
  expect(await run).toBe(0);
  const text = printed;
  printed = '';
  return text;
}

test('tokenizer encode and decode take it as --model and as --tokenizer', async () => {
  const ids = await outputOf(tokenizer(['encode', '--tokenizer', source, 'abc é']));
  expect(ids.trim()).toMatch(/^\d+( \d+)+$/);
  for (const option of ['--tokenizer', '--model']) {
    expect(await outputOf(tokenizer(['encode', option, gguf, 'abc é']))).toBe(ids);
    expect(await outputOf(tokenizer(['decode', option, gguf, ...ids.trim().split(' ')]))).toBe('abc é\n');
  }
  await expect(tokenizer(['encode', 'abc'])).rejects.toThrow(InputError);
  await expect(tokenizer(['encode', '--model', gguf, '--tokenizer', gguf, 'abc'])).rejects.toThrow(
    'give either --tokenizer PATH or --model PATH',
  );
});

test('plan knows its shape', async () => {
  const ofFolder = JSON.parse(await outputOf(plan(['--model', source, '--json'])));
  expect(JSON.parse(await outputOf(plan(['--model', gguf, '--json'])))).toMatchObject({
    parameters: ofFolder.parameters,
    weights: ofFolder.weights,
  });
});
