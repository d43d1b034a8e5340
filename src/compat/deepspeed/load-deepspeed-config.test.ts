import { expect, test } from 'vitest';
import { loadDeepspeedConfig } from './load-deepspeed-config.js';

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
    warmup_steps: 10,
    steps: 100,
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
])('refuses %j', (value, problem) => {
  expect(() => loadDeepspeedConfig(value)).toThrow(problem);
});
