import { afterEach, expect, test } from 'vitest';
import type { Row } from '../../data/index.js';
import { type LoadedModel, parseArchitecture } from '../../models/index.js';
import { initializeModule } from '../../nn/index.js';
import { type FloatDType, liveTensorCount, RandomGenerator, scope } from '../../tensor/index.js';
import { Trainer } from './trainer.js';
import { type TrainingSettings, trainingSettings } from './training-settings.js';

const settings = {
  steps: 1000,
  schedule: 'constant',
  learning_rate: 1e-2,
  weight_decay: 0.1,
  gradient_accumulation_steps: 2,
} as const;

let open: { dispose(): void }[] = [];
afterEach(() => {
  for (const item of open) item.dispose();
  open = [];
});

function tinyModel(dtype: FloatDType = 'float32'): LoadedModel['model'] {
  const config = {
    model_type: 'xverse',
    vocab_size: 50,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
  };
  const model = parseArchitecture(config, 'test').createModel();
  const generator = new RandomGenerator(1);
  scope(() => initializeModule(model, { rule: { kind: 'normal', std: 0.3 }, generator, dtype }));
  generator.dispose();
  open.push(model);
  return model;
}

function trainerOf(model: LoadedModel['model'], changes: Partial<TrainingSettings> = {}): Trainer {
  const parameters = new Map(model.namedParameters());
  const options = { totalSteps: settings.steps, padTokenId: 0 };
  const trainer = new Trainer(model, parameters, trainingSettings({ ...settings, ...changes }), options);
  open.push(trainer);
  return trainer;
}

/** Rows of different lengths with different masks. */
function someRows(count: number): Row[] {
  return Array.from({ length: count }, (_, row) => {
    const length = 5 + ((row * 3) % 8);
    return {
      ids: Array.from({ length }, (_, index) => (row * 11 + index * 7) % 50),
      lossMask: Array.from({ length }, (_, index) => (index % (2 + (row % 3)) === 0 ? 0 : 1)),
    };
  });
}

test('gradient accumulation in 1, 2 and 4 parts gives the same step', () => {
  const rows = someRows(8);
  const results = [1, 2, 4].map((parts) => {
    const size = rows.length / parts;
    const micro = Array.from({ length: parts }, (_, part) => rows.slice(part * size, (part + 1) * size));
    const trainer = trainerOf(tinyModel());
    return [trainer.step(micro), trainer.step(micro)];
  });
  for (const other of results.slice(1))
    for (const [step, result] of other.entries()) {
      const whole = results[0]?.[step];
      if (whole === undefined) throw new Error('no step');
      expect(Math.abs(result.loss / whole.loss - 1)).toBeLessThan(1e-6);
      expect(Math.abs(result.gradNorm / whole.gradNorm - 1)).toBeLessThan(1e-6);
      expect([result.tokens, result.learnedTokens]).toEqual([whole.tokens, whole.learnedTokens]);
    }
});

test('padding to the length of the batch changes nothing', () => {
  const [short, long] = [someRows(1)[0], someRows(4)[3]];
  if (short === undefined || long === undefined) throw new Error('no rows');
  const together = trainerOf(tinyModel('float64')).step([[short, long]]);
  const apart = trainerOf(tinyModel('float64')).step([[short], [long]]);
  expect(Math.abs(together.loss - apart.loss)).toBeLessThan(1e-12);
  expect(Math.abs(together.gradNorm - apart.gradNorm)).toBeLessThan(1e-12);
});

test('200 steps learn the rows and leave the number of live tensors unchanged', () => {
  const trainer = trainerOf(tinyModel(), { max_grad_norm: 0.5 });
  const rows = someRows(4);
  const micro = [rows.slice(0, 2), rows.slice(2)];
  const first = trainer.step(micro);
  const before = liveTensorCount();
  let last = first;
  for (let step = 0; step < 200; step++) last = trainer.step(micro);
  expect(liveTensorCount()).toBe(before);
  expect(last.loss).toBeLessThan(first.loss / 4);
});

test('a batch without a token to learn is refused', () => {
  const trainer = trainerOf(tinyModel());
  const blind = { ids: [1, 2, 3], lossMask: [0, 0, 0] };
  expect(() => trainer.step([[blind]])).toThrow('no token to learn');
});

test('a step that is not finite leaves the parameters as they were', () => {
  const model = tinyModel();
  const trainer = trainerOf(model);
  const micro = [someRows(2)];
  trainer.step(micro);
  const norm = model.namedParameters().find(([path]) => path === 'finalNorm.weight')?.[1];
  const embedding = model.namedParameters()[0]?.[1];
  if (norm === undefined || embedding === undefined) throw new Error('no such parameter');
  const kept = scope(() => embedding.toBytes());
  scope(() => norm.setRequiresGrad(false).add_(Number.NaN).setRequiresGrad(true));
  expect(() => trainer.step(micro)).toThrow(/loss NaN.*not finite/);
  expect(scope(() => embedding.toBytes())).toEqual(kept);
});
