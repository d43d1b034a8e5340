/** transformers with compressed-tensors load what we quantise, and compute the same logits. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadModel, type QuantizeOptions, quantizeModel } from '../src/models/index.js';
import { intTensor, noGrad, scope } from '../src/tensor/index.js';
import { referencePython, runReference } from './support/reference.js';
import { requiresPython } from './support/requires.js';
import { saveSmallLlama } from './support/small-llama.js';

const python = referencePython('quantised');
const root = mkdtempSync(join(tmpdir(), 'xinghe-transformers-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const ids = Array.from({ length: 24 }, (_, place) => (place * 37 + 11) % 90);
const windows = Array.from({ length: 8 }, (_, window) =>
  Array.from({ length: 32 }, (_, place) => (window * 31 + place * place * 7 + place) % 90),
);

const PROGRAM = `
import json, sys, torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
with torch.no_grad():
    logits = model(torch.tensor([json.loads(sys.argv[2])])).logits[0]
json.dump(logits.tolist(), sys.stdout)
`;

const from = join(root, 'model');
beforeAll(() => saveSmallLlama(from));

const CASES: [string, Partial<QuantizeOptions>][] = [
  ['int8, published', { bits: 8, scheme: 'published' }],
  ['int4, groups of 32, symmetric', { groupSize: 32, isSymmetric: true }],
  ['int4, calibrated, scaled norms', { groupSize: 64, isSymmetric: true, calibration: windows }],
  [
    'mixed bits',
    {
      groupSize: 64,
      isSymmetric: true,
      scheme: 'auto',
      targetBytes: 90_000,
      calibration: windows,
      keep: ['embed_tokens'],
    },
  ],
];

describe('transformers with compressed-tensors', requiresPython(python, 'quantised'), () => {
  test.each(CASES)('%s', async (name, options) => {
    const to = join(root, name.replaceAll(/\W+/g, '-'));
    await quantizeModel({ from, to, bits: 4, ...options });
    const theirs = runReference<number[][]>(python ?? '', PROGRAM, [to, JSON.stringify(ids)]);
    const ours = noGrad(() =>
      scope(() => {
        const { model } = loadModel(to, { keepIntegers: true, dtype: 'float32' });
        return model.forward(intTensor(ids, [1, ids.length])).toArray();
      }),
    );
    const differences = theirs.flat().map((value, place) => Math.abs(value - (ours[place] ?? Number.NaN)));
    expect(Math.max(...differences)).toBeLessThan(1e-5);
  });
});
