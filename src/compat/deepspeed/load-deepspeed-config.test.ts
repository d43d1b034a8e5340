import { expect, test } from 'vitest';
import { valueAt } from '../imported-run.js';
import { loadDeepspeedConfig } from './load-deepspeed-config.js';
import { parseHjson } from './read-hjson.js';

test("XVERSE's file: auto is filled from the arguments", () => {
  const { training, zero, ignored, warnings } = loadDeepspeedConfig(
    'tests/support/published/deepspeed.json',
    {
      microBatchSize: 4,
      gradientAccumulationSteps: 4,
      maxGradNorm: 0.5,
    },
  );
  expect(training).toEqual({
    micro_batch_size: 4,
    gradient_accumulation_steps: 4,
    max_grad_norm: 0.5,
    precision: 'bfloat16-mixed',
  });
  expect(zero).toEqual({ stage: 2, offloadOptimizer: false, offloadParameters: false });
  expect(ignored.map(({ key }) => key)).toEqual([
    'zero_allow_untested_optimizer',
    'zero_optimization.allgather_partitions',
    'zero_optimization.reduce_scatter',
    'zero_optimization.overlap_comm',
    'zero_optimization.contiguous_gradients',
  ]);
  expect(warnings).toHaveLength(1);
});

test('blocks of a whole file', () => {
  const file = {
    train_batch_size: 64,
    train_micro_batch_size_per_gpu: 2,
    gradient_accumulation_steps: 4,
    gradient_clipping: 0,
    fp16: { enabled: true, loss_scale: 0, initial_scale_power: 12, loss_scale_window: 500, hysteresis: 2 },
    optimizer: { type: 'AdamW', params: { lr: 'auto', betas: [0.9, 0.98], eps: 1e-6, weight_decay: 0.01 } },
    scheduler: {
      type: 'WarmupDecayLR',
      params: { warmup_min_lr: 0, warmup_max_lr: 'auto', warmup_num_steps: 10, total_num_steps: 100 },
    },
    zero_optimization: {
      stage: 3,
      offload_optimizer: { device: 'cpu', pin_memory: true },
      offload_param: { device: 'cpu' },
    },
  };
  const { training, zero, globalBatch } = loadDeepspeedConfig(file, { learningRate: 1e-4 });
  expect(training).toEqual({
    micro_batch_size: 2,
    gradient_accumulation_steps: 4,
    max_grad_norm: 1e30,
    precision: 'float16-mixed',
    loss_scale: { kind: 'dynamic', initial: 4096, factor: 2, window: 500 },
    learning_rate: 1e-4,
    beta1: 0.9,
    beta2: 0.98,
    eps: 1e-6,
    weight_decay: 0.01,
    schedule: 'linear',
    schedule_form: 'deepspeed',
    warmup_form: 'log',
    warmup_learning_rate: 0,
    min_learning_rate: 0,
    warmup_steps: 10,
    schedule_steps: 100,
    offload: { optimizer: true },
  });
  expect(zero).toEqual({ stage: 3, offloadOptimizer: true, offloadParameters: true });
  expect(globalBatch).toBe(64);
});

test.each([
  [{ gradient_cliping: 1 }, 'gradient_cliping: unknown key. Did you mean `gradient_clipping`?'],
  [{ zero_optimization: { stage: 4 } }, 'zero_optimization.stage'],
  [{ fp16: { enabled: true }, bf16: { enabled: true } }, 'both enabled'],
  [{ train_batch_size: 7, train_micro_batch_size_per_gpu: 2 }, 'train_batch_size is 7, no multiple'],
  [{ optimizer: { type: 'Lamb' } }, 'optimizer.type: expected one of'],
  [{ zero_optimization: { offload_optimizer: { device: 'nvme' } } }, 'offload_optimizer'],
  [[], 'expected a mapping'],
  [{ elasticity: { enabled: true } }, 'elasticity.enabled: expected false'],
  [{ bfloat16: { enabled: true }, fp16: { enabled: true } }, 'both enabled'],
  [{ scheduler: { type: 'OneCycle' } }, 'scheduler.type'],
  [{ scheduler: { type: 'WarmupLR', params: { warmup_type: 'cubic' } } }, 'warmup_type'],
])('refuses %j', (value, problem) => {
  expect(() => loadDeepspeedConfig(value)).toThrow(problem);
});

test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
  [
    'WarmupLR',
    {},
    {
      schedule: 'constant',
      schedule_form: 'deepspeed',
      warmup_form: 'log',
      warmup_steps: 1000,
      warmup_learning_rate: 0,
      learning_rate: 0.5,
    },
  ],
  [
    'WarmupLR',
    { warmup_min_lr: 0.1, warmup_type: 'linear' },
    { warmup_form: 'linear', warmup_learning_rate: 0.1 },
  ],
  ['WarmupLR', { warmup_num_steps: 'auto' }, { warmup_steps: undefined }],
  ['WarmupDecayLR', { total_num_steps: 9 }, { schedule: 'linear', learning_rate: 0.001, schedule_steps: 9 }],
  ['WarmupDecayLR', { warmup_max_lr: 'auto' }, { learning_rate: 0.5 }],
  ['WarmupCosineLR', {}, { learning_rate: 0.5, min_learning_rate: 0.00005, warmup_learning_rate: 0 }],
  [
    'WarmupCosineLR',
    { warmup_min_ratio: 0.1, cos_min_ratio: 0.2, warmup_num_steps: 3 },
    { schedule: 'cosine', min_learning_rate: 0.1, warmup_learning_rate: 0.05, warmup_steps: 3 },
  ],
])('%s %j with the defaults of DeepSpeed', (type, params, expected) => {
  const { training } = loadDeepspeedConfig({ scheduler: { type, params } }, { learningRate: 0.5 });
  for (const [key, value] of Object.entries(expected)) expect(valueAt(training, key), key).toEqual(value);
});

test("the scheduler begins from the rate of the file's own optimizer", () => {
  const file = { optimizer: { type: 'AdamW', params: { lr: 0.25 } }, scheduler: { type: 'WarmupCosineLR' } };
  expect(loadDeepspeedConfig(file, { learningRate: 0.5 }).training).toMatchObject({
    learning_rate: 0.25,
    min_learning_rate: 0.25 * 0.0001,
  });
});

test('keys of other releases, and sections that are off', () => {
  const file = {
    bfloat16: { enabled: true, check_grad_overflow: true },
    elasticity: { enabled: false, max_train_batch_size: 2000 },
    amp: {},
    load_universal_checkpoint: true,
  };
  const { training, ignored } = loadDeepspeedConfig(file);
  expect(training).toEqual({ precision: 'bfloat16-mixed' });
  expect(ignored.map(({ key }) => key)).toEqual([
    'bfloat16.check_grad_overflow',
    'load_universal_checkpoint',
  ]);
  // The newer name counts.
  expect(loadDeepspeedConfig({ ...file, bf16: { enabled: false } }).training).toEqual({});
});

test('the file is Hjson', () => {
  expect(parseHjson('// why\n{ "a": 1, /* b\n */ "c": [1, 2,], # d\n  "e": "x // # y", }', 'f')).toEqual({
    a: 1,
    c: [1, 2],
    e: 'x // # y',
  });
  expect(parseHjson('a: 1\nb: {\n  c: AdamW\n  "d": true\n\n  # more\n}\ne: [\n 1e-5\n 2\n]\n', 'f')).toEqual(
    {
      a: 1,
      b: { c: 'AdamW', d: true },
      e: [1e-5, 2],
    },
  );
  expect(() => parseHjson('{"a": 1,\n"a": 2}', 'f.json')).toThrow(
    'f.json:2:1: not valid JSON: the key "a" stands twice',
  );
  expect(() => parseHjson('{"a": 1\n/* b', 'f.json')).toThrow('f.json:2: the comment /* does not end');
  expect(() => parseHjson('# only\n', 'f.json')).toThrow('is empty');
});
