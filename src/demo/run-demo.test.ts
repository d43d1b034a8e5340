/** The run of the demo with a model too small to learn much. As a user runs it: tests/demo.long.test.ts. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCli } from '../../tests/support/cli-process.js';
import { openModelCheckpoint } from '../checkpoint/index.js';
import { trainingSettings } from '../training/index.js';
import { demoPlan } from './plan.js';
import { type DemoReport, runDemo } from './run-demo.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-demo-'));
const output = join(folder, 'demo');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let report: DemoReport;
beforeAll(async () => {
  const quick = demoPlan(true);
  const training = trainingSettings({
    epochs: 1,
    warmup_steps: 4,
    micro_batch_size: 8,
    learning_rate: 3e-3,
  });
  report = await runDemo({
    output,
    quick: true,
    seed: 1,
    threads: 1,
    plan: {
      ...quick,
      vocabSize: 400,
      pretrainingText: { rounds: 1 },
      dialogueText: { rounds: 1 },
      model: { ...quick.model, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1 },
      pretraining: { ...quick.pretraining, training },
      fineTuning: { ...quick.fineTuning, training },
    },
  });
}, 120_000);

test('the report counts what was trained and measured, and lies in the folder', () => {
  expect(report.facts.after.total).toBeGreaterThanOrEqual(90);
  expect(report.facts.before.total).toBe(report.facts.after.total);
  expect(report.chance).toBe(0.25);
  expect(report.answers.map(({ question }) => question)).toHaveLength(3);
  expect(report.pretrainingTokens).toBeGreaterThan(report.fineTuningTokens / 10);
  expect(JSON.parse(readFileSync(join(output, 'report.json'), 'utf8'))).toEqual(report);
});

test('both stages learn, and their metrics and plots lie there', () => {
  for (const stage of ['pretraining', 'fine-tuning']) {
    const lines = readFileSync(join(output, stage, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const losses = lines.map((line): number => JSON.parse(line).loss);
    expect(losses.at(-1), stage).toBeLessThan(losses[0] ?? 0);
    expect(readFileSync(join(output, stage, 'loss.svg'), 'utf8')).toMatch(/^<svg/);
  }
  expect(readFileSync(join(output, 'loss.svg'), 'utf8')).toMatch(/^<svg/);
});

test('the model is a folder that every command loads', () => {
  const model = join(output, 'model');
  expect(JSON.parse(readFileSync(join(model, 'generation_config.json'), 'utf8')).temperature).toBe(0.3);
  const [tensors] = openModelCheckpoint(model).ranks;
  const elements = [...(tensors ?? [])].reduce(
    (sum, [, { shape }]) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  expect(elements).toBe(report.parameters);
  expect(JSON.parse(readFileSync(join(model, 'tokenizer_config.json'), 'utf8')).eos_token).toBe(
    '<|endoftext|>',
  );
});

test('the command refuses a folder that holds no demo, and leaves it as it is', async () => {
  const foreign = join(folder, 'foreign');
  writeFileSync(foreign, 'mine');
  const refused = await startCli(['demo', '--quick', '--output', folder]).exit;
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('holds no demo');
  expect(readFileSync(foreign, 'utf8')).toBe('mine');
});
