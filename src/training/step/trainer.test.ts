import { afterEach, expect, test } from 'vitest';
import type { Row } from '../../data/index.js';
import { type LoadedModel, parseArchitecture } from '../../models/index.js';
import { initializeModule } from '../../nn/index.js';
import { type FloatDType, liveTensorCount, RandomGenerator, scope } from '../../tensor/index.js';
import { lossDivisor } from './loss-weights.js';
import { Trainer, type TrainerOptions } from './trainer.js';
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

function trainerOf(
  model: LoadedModel['model'],
  changes: Partial<TrainingSettings> = {},
  more: Partial<TrainerOptions> = {},
): Trainer {
  const parameters = new Map(model.namedParameters());
  const options = { totalSteps: settings.steps, padTokenId: 0, ...more };
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

test('with the mask of the input, too, a batch without a token to learn is refused', () => {
  const blind = { ids: [1, 2, 3], lossMask: [0, 0, 1] };
  expect(() => trainerOf(tinyModel(), { loss_alignment: 'input' }).step([[blind]])).toThrow(
    'no token to learn',
  );
  expect([lossDivisor(3), lossDivisor(3, 'input')]).toEqual([3, 3 + 1e-5]);
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

/** The values of each parameter after one step. */
function afterStep(
  changes: Partial<TrainingSettings>,
  factors?: (path: string) => number,
): Map<string, number[]> {
  const model = tinyModel();
  const learningRateFactors =
    factors && new Map(model.namedParameters().map(([path]) => [path, factors(path)]));
  trainerOf(model, changes, { learningRateFactors }).step([someRows(2)]);
  return new Map(
    model.namedParameters().map(([path, parameter]) => [path, scope(() => parameter.detach().toArray())]),
  );
}

test('weight decay takes matrices alone, or what is not named', () => {
  const decays = (changes: Partial<TrainingSettings>): string[] => {
    const [without, decayed] = [0, 5].map((weight_decay) => afterStep({ ...changes, weight_decay }));
    return [...(decayed ?? [])]
      .filter(([path, values]) => values.join() !== without?.get(path)?.join())
      .map(([path]) => path);
  };
  expect(decays({}).every((path) => !/[nN]orm/.test(path))).toBe(true);
  expect(decays({})).toContain('layers.0.attention.qProj.weight');
  const named = decays({ no_weight_decay: ['qProj', 'embed'] });
  expect(named).toContain('finalNorm.weight');
  expect(named.filter((path) => /qProj|embed/.test(path))).toEqual([]);
});

test('a parameter with the factor 0 stays, one with 2 moves twice as far', () => {
  const at = (factor: number): number[] =>
    afterStep({ weight_decay: 0 }, (path) => (path === 'finalNorm.weight' ? factor : 1)).get(
      'finalNorm.weight',
    ) ?? [];
  const [still, once, twice] = [at(0), at(1), at(2)];
  expect(new Set(still)).toEqual(new Set([1]));
  for (const [index, value] of once.entries())
    expect((twice[index] ?? 0) - 1).toBeCloseTo(2 * (value - 1), 5);
});

test('mixed precision has float32 masters, 16 bit alone has none', () => {
  for (const [precision, dtype] of [
    ['bfloat16-mixed', 'bfloat16'],
    ['float16-mixed', 'float16'],
    ['bfloat16', 'bfloat16'],
  ] as const) {
    const loss_scale = { kind: 'fixed', initial: 1, factor: 2, window: 1 } as const;
    const trainer = trainerOf(tinyModel(dtype), { precision, loss_scale });
    trainer.step([someRows(2)]);
    const names = [...trainer.state().tensors.keys()];
    expect(
      names.some((name) => name.startsWith('master.')),
      precision,
    ).toBe(precision !== 'bfloat16');
  }
});

test('gradients of 16 bit are summed in float32 over micro-batches', () => {
  const [row] = someRows(1);
  if (row === undefined) throw new Error('no row');
  const [once, often] = [1, 200].map((count) => {
    const trainer = trainerOf(tinyModel('bfloat16'), { precision: 'bfloat16' });
    return trainer.step(Array.from({ length: count }, () => [row])).gradNorm;
  });
  // In bfloat16 the sum of 200 equal values stalls: it would miss by more than a tenth.
  expect(Math.abs((often ?? 0) / (once ?? 0) - 1)).toBeLessThan(0.01);
});

test('a loss scale changes nothing but the range: loss, norm and update are those without', () => {
  const losses = [undefined, 2 ** 12].map((initial) => {
    const loss_scale =
      initial === undefined ? undefined : ({ kind: 'dynamic', initial, factor: 2, window: 2 } as const);
    const trainer = trainerOf(tinyModel(), { loss_scale });
    return Array.from({ length: 5 }, () => trainer.step([someRows(2)]));
  });
  const [plain = [], scaled = []] = losses;
  for (const [step, result] of scaled.entries()) {
    expect(result.loss / (plain[step]?.loss ?? 0)).toBeCloseTo(1, 5);
    expect(result.gradNorm / (plain[step]?.gradNorm ?? 0)).toBeCloseTo(1, 5);
  }
  // It grows after every second step that went well.
  expect(scaled.map(({ lossScale }) => Math.log2(lossScale ?? 0))).toEqual([12, 12, 13, 13, 14]);
});

test('a step that is given up in a pause has drawn nothing', () => {
  const first = (isInterrupted: boolean): number => {
    const generator = new RandomGenerator(3);
    const trainer = trainerOf(tinyModel(), { neftune_noise_alpha: 50 }, { generator });
    open.push(generator);
    const rows = someRows(4);
    const micro = [rows.slice(0, 2), rows.slice(2)];
    if (isInterrupted) {
      const steps = trainer.microSteps(micro);
      steps.next();
      steps.return({ ...trainerResult });
    }
    return trainer.step(micro).loss;
  };
  expect(first(true)).toBe(first(false));
});

/** Never looked at. */
const trainerResult = {
  loss: 0,
  gradNorm: 0,
  learningRate: 0,
  tokens: 0,
  learnedTokens: 0,
  metrics: undefined,
  skipped: true,
  lossScale: undefined,
};
