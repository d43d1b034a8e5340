/** Sizes by name and by numbers; a model that the rest of the system loads. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import { generateIds } from '../../generation/index.js';
import { loadModel, openTokenizer } from '../../models/index.js';
import { MODEL_SIZES, parametersOf, parseModelSize, sizeOfShape } from './model-sizes.js';
import { writeRandomModel } from './random-model.js';

test.each([
  ['33m', 33.5],
  ['130m', 134],
  ['350m', 369],
  ['1.3b', 1345],
] as const)('%s has so many million parameters', (name, millions) => {
  expect(Math.abs(parametersOf(MODEL_SIZES[name]) / 1e6 / millions - 1)).toBeLessThan(0.02);
});

describe('--size', () => {
  test('by name, in any case, and by numbers', () => {
    expect(parseModelSize('1.3B')).toEqual(MODEL_SIZES['1.3b']);
    expect(parseModelSize('layers=2,heads=4,kv-heads=2,hidden=64')).toEqual({
      layers: 2,
      hidden: 64,
      ffn: 1376,
      heads: 4,
      kvHeads: 2,
      vocab: 8000,
    });
  });

  test.each([
    ['13b', /--size is "13b"\. .*33m, 130m, 350m, 1\.3b/],
    ['350', /--size is "350"\. Did you mean `350m`/],
    ['layer=2', /there is no "layer"; there are layers/],
    ['layers=0', /layers is "0"; give one whole number from 1/],
    ['layers=2,layers=3', /layers is "3"; give one/],
    ['hidden=100,heads=8', /make no model/],
    ['heads=8,kv-heads=3', /make no model/],
    ['vocab=10', /vocabulary of 10 is too small/],
  ])('%s is refused', (text, message) => {
    expect(() => parseModelSize(text)).toThrow(InputError);
    expect(() => parseModelSize(text)).toThrow(message);
  });
});

test.each(['bfloat16', 'float32'] as const)(
  'a model of random %s weights is loaded and continues a prompt',
  (dtype) => {
    const to = join(mkdtempSync(join(tmpdir(), 'bench-model-')), 'model');
    const size = { layers: 2, hidden: 64, ffn: 96, heads: 4, kvHeads: 2, vocab: 400 };
    writeRandomModel({ to, size, dtype });
    const { model } = loadModel(to, {});
    expect(model.parameterCount()).toBe(parametersOf(size));
    expect({ ...sizeOfShape(model.shape), tied: undefined }).toEqual({ ...size, tied: undefined });
    expect(model.computeDType).toBe(dtype);
    const [result] = generateIds(model, [{ promptIds: [300, 301, 302], maxNewTokens: 3 }]);
    expect(result?.ids).toHaveLength(3);
    const tokenizer = openTokenizer(to);
    expect(tokenizer.decode(tokenizer.encode('hello 你好'))).toBe('hello 你好');
  },
);
