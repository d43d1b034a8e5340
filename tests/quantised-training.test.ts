/** Adapters trained beside weights that stay integers (QLoRA), against the same beside their floats. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../src/config/index.js';
import { convertModel, loadModel, quantizeModel } from '../src/models/index.js';
import { namedLinears } from '../src/nn/index.js';
import { IntegerLinear } from '../src/quantization/index.js';
import { intTensor, noGrad, scope } from '../src/tensor/index.js';
import { runTraining, trainConfigSchema } from '../src/training/index.js';
import { writeTinyModel } from './support/tiny-model.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-qlora-'));
const [integers, floats, rows] = ['integers', 'floats', 'rows.jsonl'].map((name) => join(root, name)) as [
  string,
  string,
  string,
];
let full = '';
beforeAll(async () => {
  full = await writeTinyModel('full', { hidden_size: 64, intermediate_size: 96 });
  await quantizeModel({ from: full, to: integers, bits: 4, groupSize: 32 });
  await convertModel({ from: integers, to: floats });
  const lines = Array.from({ length: 12 }, (_, index) => ({
    text: `What is ${index} and one? It is ${index + 1}.`,
  }));
  writeFileSync(rows, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
});
afterAll(() => {
  rmSync(root, { recursive: true });
  rmSync(dirname(full), { recursive: true });
});

async function train(path: string, name: string, changes: Record<string, unknown> = {}): Promise<number[]> {
  const config = parseConfig(
    trainConfigSchema,
    {
      output: join(root, name),
      threads: 1,
      model: { path },
      data: { files: [rows], form: 'text', sequence_length: 48 },
      training: { steps: 6, micro_batch_size: 2, learning_rate: 1e-2, recompute: 'full' },
      lora: { rank: 4, alpha: 8, dropout: 0.1, target_modules: ['.'] },
      checkpoints: { every: 3 },
      ...changes,
    },
    { source: 'test' },
  );
  const { losses } = await runTraining(config);
  return losses.map(({ loss }) => loss ?? Number.NaN);
}

const layersOf = (path: string, keepIntegers: boolean): [all: number, integers: number] => {
  const { model } = loadModel(path, { keepIntegers });
  const layers = [...namedLinears(model)].map(([, layer]) => layer);
  const kept = layers.filter((layer) => layer instanceof IntegerLinear).length;
  model.dispose();
  return [layers.length, kept];
};

test('losses are those beside the floats, and the merged model computes the same', async () => {
  const [beside, dense] = [await train(integers, 'a'), await train(floats, 'b')];
  expect(beside.at(-1)).toBeLessThan((beside[0] ?? 0) * 0.95);
  for (const [step, loss] of beside.entries()) expect(loss / (dense[step] ?? Number.NaN)).toBeCloseTo(1, 5);
  const config = readFileSync(join(root, 'a/final/config.json'), 'utf8');
  expect(config).not.toContain('quantization');
  expect(layersOf(integers, true)[1]).toBeGreaterThan(0);
  expect(layersOf(join(root, 'a/final'), true)[1]).toBe(0);
  const logits = ['a', 'b'].map((run) =>
    noGrad(() =>
      scope(() => loadModel(join(root, run, 'final')).model.forward(intTensor([5, 17, 300, 8], [1, 4]))),
    ),
  );
  const [ours, theirs] = logits;
  if (ours === undefined || theirs === undefined) throw new Error('no logits');
  expect(ours.sub(theirs).abs().max().item()).toBeLessThan(1e-3 * theirs.abs().max().item());
});

test('all weights are trained as floats', async () => {
  const losses = await train(integers, 'c', { lora: undefined });
  expect(losses).toEqual(await train(floats, 'd', { lora: undefined }));
  expect(layersOf(join(root, 'c/final'), true)[1]).toBe(0);
});
