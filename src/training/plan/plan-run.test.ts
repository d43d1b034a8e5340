import { describe, expect, it } from 'vitest';
import { casesOf, longTest } from '../../../tests/support/long-suite.js';
import {
  llamaConfig,
  measureTraining,
  type Sizes,
  sparkConfig,
  telechat52bConfig,
  telechatConfig,
  xverseConfig,
} from '../../../tests/support/plan-configs.js';
import { parseArchitecture } from '../../models/index.js';
import { rowsVary } from '../run/run-rows.js';
import { flopsPerToken } from './flops.js';
import { type PlanOptions, planRun } from './plan-run.js';
import { plannedModel } from './planned-model.js';
import { VARYING_ROWS_BYTES } from './process-memory.js';

const small: Sizes = { layers: 4, hidden: 512, intermediate: 1376, heads: 8, vocab: 8000 };
const grouped = { ...small, layers: 6, heads: 8, kvHeads: 2, vocab: 40_000 };
const run = { precision: 'float32', length: 128, microBatchSize: 8, recompute: 'none' } as const;
const allLayers = { rank: 8, targets: [''] };

const measured: readonly [string, Record<string, unknown>, Partial<PlanOptions>][] = [
  ['xverse', xverseConfig(small), {}],
  ['xverse, LoRA', xverseConfig(small), { lora: allLayers }],
  ['llama: grouped heads, a large tied vocabulary', llamaConfig(grouped), { microBatchSize: 2 }],
  [
    'llama: grouped heads, a large tied vocabulary, LoRA',
    llamaConfig(grouped),
    { microBatchSize: 2, lora: allLayers },
  ],
  [
    'llama: eight heads over one, most of it activations',
    llamaConfig({ ...small, layers: 8, intermediate: 512, kvHeads: 1, vocab: 1000 }),
    { length: 256 },
  ],
  ['telechat, recompute', telechatConfig(small), { recompute: 'full' }],
  ['telechat52b, bfloat16 with masters', telechat52bConfig(small), { precision: 'bfloat16-mixed' }],
  [
    'spark, every second block recomputed, two micro-batches',
    sparkConfig(small),
    { recompute: { every: 2 }, accumulation: 2 },
  ],
];

describe('the planned peak of memory', () => {
  const quick = /vocabulary, LoRA|masters/;
  it.each(casesOf(measured, ([name]) => quick.test(name)))(
    'is right within five percent: %s',
    (_, config, options) => {
      const { planned, measured, phase } = measureTraining(config, { ...run, ...options });
      const error = (100 * (measured - planned)) / planned;
      console.log(
        `planned ${(planned / 2 ** 20).toFixed(0)} MiB (${phase}), measured ${(measured / 2 ** 20).toFixed(0)} MiB`,
      );
      expect(Math.abs(error), `${error.toFixed(1)} %`).toBeLessThan(5);
    },
  );

  longTest('is right within five percent where every row has a length of its own', () => {
    // oneDNN, which keeps every shape if it may, multiplies wherever the test runs.
    const { planned, measured } = measureTraining(
      xverseConfig({ layers: 2, hidden: 1024, intermediate: 2752, heads: 8, vocab: 1000 }),
      { ...run, length: 96, microBatchSize: 1, steps: 25, varying: true },
      { XINGHE_LINEAR: 'onednn' },
    );
    const error = (100 * (measured - planned)) / planned;
    expect(Math.abs(error), `${error.toFixed(1)} %`).toBeLessThan(5);
  });
});

it('knows that dialogues from files have rows that vary, and joined texts and prepared rows do not', () => {
  expect(rowsVary({ files: ['a.jsonl'], form: 'messages' })).toBe(true);
  expect(rowsVary({ files: ['a.jsonl'], form: 'text' })).toBe(false);
  expect(rowsVary({ files: undefined, form: undefined })).toBe(false);
  const architecture = parseArchitecture(xverseConfig(small), 'test');
  const planned = (vary: boolean) =>
    planRun(architecture, { ...run, rowsVary: vary, startBytes: 0 }).peakBytes;
  expect(planned(true) - planned(false)).toBe(VARYING_ROWS_BYTES);
});

const published: Sizes = { layers: 40, hidden: 5120, intermediate: 13824, heads: 40, vocab: 100534 };
/** GB for each billion parameters at a length where activations hardly count. */
function perBillion(options: Partial<PlanOptions>): number {
  const { memory, model } = planRun(parseArchitecture(xverseConfig(published), 'test'), {
    precision: 'bfloat16-mixed',
    length: 16,
    microBatchSize: 1,
    recompute: 'full',
    startBytes: 0,
    ...options,
  });
  return memory.total / model.elements;
}

describe('a plan of the published 13B shape', () => {
  it('agrees with the rule of thumb: 16 to 18 GB, 8 GB, 2 GB for each billion parameters', () => {
    expect(perBillion({})).toBeGreaterThan(15.9);
    expect(perBillion({})).toBeLessThan(18);
    expect(perBillion({ accumulation: 2 })).toBeGreaterThan(17.9);
    expect(perBillion({ precision: 'bfloat16' })).toBeCloseTo(8, 0);
    expect(perBillion({ lora: allLayers })).toBeGreaterThan(2);
    expect(perBillion({ lora: allLayers })).toBeLessThan(2.2);
    expect(perBillion({ precision: 'float32' })).toBeCloseTo(16, 0);
  });

  it('has gradients of 16 bits as they come from one micro-batch, sums in float32 from several', () => {
    const architecture = parseArchitecture(xverseConfig(published), 'test');
    const plan = (accumulation: number) =>
      planRun(architecture, {
        ...{ precision: 'bfloat16-mixed', length: 16, microBatchSize: 1, recompute: 'full', startBytes: 0 },
        accumulation,
      });
    const { elements } = plan(1).model;
    expect((plan(2).peakBytes - plan(1).peakBytes) / elements).toBeCloseTo(2, 9);
  });

  it('needs less with recompute, offload and adapters, more with longer rows', () => {
    const rows = { length: 4096, microBatchSize: 4, recompute: 'none' } as const;
    const base = perBillion(rows);
    const every = perBillion({ ...rows, recompute: { every: 2 } });
    expect(every).toBeLessThan(base);
    expect(perBillion({ ...rows, recompute: 'full' })).toBeLessThan(every);
    expect(perBillion({ ...rows, offloadOptimizer: true })).toBeCloseTo(base - 12);
    expect(perBillion({ ...rows, length: 8192 })).toBeGreaterThan(base);
  });

  it('has 819 KB of keys and values a token', () => {
    const { cacheBytes } = planRun(parseArchitecture(xverseConfig(published), 'test'), {
      precision: 'bfloat16',
      length: 1,
      microBatchSize: 1,
      recompute: 'none',
      startBytes: 0,
    });
    expect(cacheBytes).toBe(819_200);
  });
});

describe('flopsPerToken', () => {
  const shape = plannedModel(parseArchitecture(xverseConfig({ ...small, layers: 8 }), 'test').createModel());

  it('is 6 x elements without the embedding + 12 x layers x hidden x length', () => {
    const perLayer = 4 * 512 ** 2 + 3 * 512 * 1376 + 2 * 512;
    const multiplied = 8 * perLayer + 512 + 8000 * 512;
    expect(flopsPerToken(shape, { length: 256 })).toBe(6 * multiplied + 12 * 8 * 512 * 256);
    expect(flopsPerToken(shape, { length: 256, adapterElements: 1000 })).toBe(
      4 * multiplied + 6000 + 12 * 8 * 512 * 256,
    );
  });

  it('counts a tied table as the output projection that it is, and a window as the length', () => {
    const tied = plannedModel(parseArchitecture(telechatConfig(small), 'test').createModel());
    const spark = plannedModel(parseArchitecture(sparkConfig(small), 'test').createModel());
    expect(flopsPerToken(tied, { length: 1 }) - 12 * 4 * 512).toBe(6 * tied.elements);
    const long = flopsPerToken(spark, { length: 32_768 });
    expect(long).toBe(flopsPerToken(spark, { length: 8192 }));
  });
});

describe('a run over answers that are compared', () => {
  const architecture = parseArchitecture(xverseConfig(small), 'test');
  const plan = (loss: PlanOptions['loss'], microBatchSize: number) =>
    planRun(architecture, { ...run, microBatchSize, loss, startBytes: 0 });

  it('takes two sequences a row, and for the logits of each its gradient once more', () => {
    const pairs = plan('dpo', 4);
    const rows = plan(undefined, 8);
    expect(pairs.tokensPerStep).toBe(rows.tokensPerStep);
    expect(pairs.memory.activations).toBe(rows.memory.activations);
    expect(pairs.peakBytes).toBeGreaterThanOrEqual(rows.peakBytes);
    expect(plan('kto', 8).tokensPerStep).toBe(rows.tokensPerStep);
  });

  it('has one score in the place of logits, and no output projection', () => {
    const scored = plan('reward', 4);
    const rows = plan(undefined, 8);
    const projection = small.vocab * small.hidden;
    expect(rows.trainedElements - scored.trainedElements).toBe(projection - small.hidden);
    expect(scored.memory.working).toBeLessThan(rows.memory.working);
    // Tied: the table stays, and is no output projection any more.
    const tied = parseArchitecture(sparkConfig(small), 'test');
    const spark = planRun(tied, { ...run, loss: 'reward', startBytes: 0 });
    expect(spark.model.tied).toBe(false);
    expect(spark.trainedElements).toBe(
      planRun(tied, { ...run, startBytes: 0 }).trainedElements + small.hidden,
    );
  });
});
