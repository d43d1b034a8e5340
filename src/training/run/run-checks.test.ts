/** What a run refuses or says before it trains; LoRA on any layer; evaluation without dropout. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { tinyRunModel } from '../../../tests/support/tiny-model.js';
import { parseConfig } from '../../config/index.js';
import { loadModel } from '../../models/index.js';
import { runTraining } from './run.js';
import { type TrainConfig, trainConfigSchema } from './run-config.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-run-checks-'));
afterAll(() => rmSync(folder, { recursive: true }));
const texts = join(folder, 'texts.jsonl');
beforeAll(() => {
  const lines = Array.from({ length: 40 }, (_, index) =>
    JSON.stringify({ text: `Row ${index}: 星河 ${index * 3}.` }),
  );
  writeFileSync(texts, `${lines.join('\n')}\n`);
});

let runs = 0;

function config(changes: Record<string, unknown>): TrainConfig {
  runs += 1;
  return parseConfig(
    trainConfigSchema,
    {
      output: join(folder, `run-${runs}`),
      model: tinyRunModel({ max_position_embeddings: 64 }),
      data: { files: [texts], form: 'text', sequence_length: 24 },
      training: { steps: 6, micro_batch_size: 2, learning_rate: 1e-3 },
      ...changes,
    },
    { source: 'test' },
  );
}

const lora = { rank: 2, alpha: 4, target_modules: ['q_proj'] };
const training = { steps: 6, micro_batch_size: 2, learning_rate: 1e-3 };

test.each<[string, Record<string, unknown>, RegExp]>([
  [
    'a warm-up longer than the run',
    { training: { ...training, warmup_steps: 7 } },
    /warmup_steps is 7, but the run has 6/,
  ],
  ['a decay longer than the run', { training: { ...training, decay_steps: 9 } }, /decay_steps is 9/],
  [
    'a block that is not there',
    { training: { ...training, recompute: { layers: [0, 5] } } },
    /block 5; the model has blocks 0 to 1/,
  ],
  ['a rank that is none', { lora: { ...lora, rank: 99 } }, /lora\.rank is 99, but .* has only \d+ features/],
  [
    'rows beyond the positions',
    { data: { files: [texts], form: 'text', sequence_length: 80 } },
    /80 predictions, the model is made for 64/,
  ],
])('%s is refused', async (_, changes, message) => {
  await expect(runTraining(config(changes))).rejects.toThrow(message);
});

test.each<[string, string[], number, RegExp | undefined]>([
  ['layers that are no target may be narrower', ['q_proj'], 24, undefined],
  ['as much as the narrow target has', ['q_proj', 'down_proj'], 16, undefined],
  [
    'a narrow target behind a wide one',
    ['q_proj', 'down_proj'],
    24,
    /^lora\.rank is 24, but layers\.0\.mlp\.downProj has only 16/,
  ],
])('the layers that get an adapter bound its rank: %s', async (_, targets, rank, message) => {
  const run = runTraining(
    config({
      model: tinyRunModel({ intermediate_size: 16 }),
      lora: { ...lora, rank, target_modules: targets },
      training: { ...training, steps: 1 },
    }),
  );
  if (message === undefined) expect((await run).losses.length).toBe(1);
  else await expect(run).rejects.toThrow(message);
});

test('what is just allowed is taken', async () => {
  const { losses } = await runTraining(
    config({
      data: { files: [texts], form: 'text', sequence_length: 64 },
      training: { ...training, warmup_steps: 6, decay_steps: 6, schedule: 'wsd', recompute: { layers: [1] } },
      lora: { ...lora, rank: 32 },
    }),
  );
  expect(losses.length).toBe(6);
  const beyond = { training: { ...training, recompute: { layers: [2] } } };
  await expect(runTraining(config(beyond))).rejects.toThrow(/names block 2; the model has blocks 0 to 1/);
});

test('settings that decide nothing about the numbers are not said to have changed', async () => {
  const first = config({ checkpoints: { every: 2 } });
  await runTraining(first);
  for (const name of ['final', 'checkpoints/step-6']) rmSync(join(first.output, name), { recursive: true });
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const watch = { ...first.watch, tensorboard: true };
  await runTraining({ ...first, watch, checkpoints: { ...first.checkpoints, every: 3 } }, { resume: 'auto' });
  const text = said.mock.calls.map(([line]) => String(line)).join('');
  said.mockRestore();
  expect(text).toMatch(/resumed from .*step-4/);
  expect(text).not.toMatch(/changed since/);
});

test.each([['lm_head'], ['q_proj', 'lm_head'], ['o_proj']])(
  'LoRA on %s alone or with others trains',
  async (...targets) => {
    const { losses } = await runTraining(config({ lora: { ...lora, target_modules: targets } }));
    expect(losses.length).toBe(6);
  },
);

test('held-out rows are measured without dropout, and the random numbers of training are untouched', async () => {
  const dropout = { ...lora, dropout: 0.9, target_modules: ['q_proj', 'down_proj'] };
  const held = { files: [texts], form: 'text', sequence_length: 24, every: 2 };
  const with_ = config({ lora: dropout, evaluation: held, training: { ...training, learning_rate: 0.05 } });
  const without = config({ lora: dropout, training: { ...training, learning_rate: 0.05 } });
  const [a, b] = [await runTraining(with_), await runTraining(without)];
  expect(a.losses).toEqual(b.losses);
  // The final model, merged, on the same rows: a run of no learning.
  const again = await runTraining(
    config({
      model: { path: join(with_.output, 'final') },
      evaluation: held,
      training: { ...training, steps: 1, learning_rate: 1e-12, micro_batch_size: 1 },
    }),
  );
  const last = a.evaluations.at(-1)?.loss ?? Number.NaN;
  expect(Math.abs((again.evaluations.at(-1)?.loss ?? 0) / last - 1)).toBeLessThan(1e-4);
});

test('an adapter is merged before training, and a wrong one is refused', async () => {
  const base = config({ lora });
  await runTraining(base);
  const model = { config: base.model.config, tokenizer: base.model.tokenizer };
  await expect(runTraining(config({ model: { ...model, adapter: '/nonexistent' } }))).rejects.toThrow(
    /no such adapter/,
  );
  const merged = config({
    model: { ...model, adapter: join(base.output, 'adapter') },
    training: { ...training, steps: 1, learning_rate: 1e-12 },
  });
  await runTraining(merged);
  const [a, b] = [base, merged].map(
    ({ output }) => new Map(loadModel(join(output, 'final')).model.namedParameters()),
  );
  const path = 'layers.0.attention.qProj.weight';
  expect(a?.get(path)?.sub(b!.get(path)!).abs().max().item()).toBeLessThan(1e-6);
});

test('the end of a run compares its peak memory with the plan, and the metrics know the utilisation', async () => {
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const run = config({});
  await runTraining(run);
  const text = said.mock.calls.map(([line]) => String(line)).join('');
  said.mockRestore();
  expect(text).toMatch(/peak memory: planned .*, measured .* %\)/);
  const [line] = readFileSync(join(run.output, 'metrics.jsonl'), 'utf8').split('\n');
  expect(JSON.parse(line!).mfu).toBeGreaterThan(0);
});

test('resuming with other settings says which', async () => {
  const first = config({ checkpoints: { every: 2 } });
  await runTraining(first);
  rmSync(join(first.output, 'final'), { recursive: true });
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  await runTraining({ ...first, training: { ...first.training, learning_rate: 0.5 } }, { resume: 'auto' });
  const text = said.mock.calls.map(([line]) => String(line)).join('');
  said.mockRestore();
  expect(text).toMatch(/changed since the checkpoint .*: training\.learning_rate: 0\.001 -> 0\.5/);
});
