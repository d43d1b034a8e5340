/** What the published hardware matrix says fits, and what follows from the shapes alone. */
import { expect, test } from 'vitest';
import { publishedConfigs, xverseConfig } from '../../../tests/support/plan-configs.js';
import { type Architecture, parseArchitecture } from '../../models/index.js';
import { planGeneration } from './plan-generation.js';
import { planLayouts } from './plan-layouts.js';
import { type PlanOptions, planRun } from './plan-run.js';
import { ALONE } from './rank-layout.js';

const GB = 1e9;
const spark13b = parseArchitecture(publishedConfigs.spark13b, 'spark');
const telechat52b = parseArchitecture(publishedConfigs.telechat52b, 'telechat-52b');

const pretraining: Omit<PlanOptions, 'layout'> = {
  precision: 'float16-mixed',
  length: 32_768,
  microBatchSize: 1,
  accumulation: 4,
  recompute: 'full',
  peakFlopsPerSecond: 2e14,
  bandwidth: 25 * GB,
  startBytes: 0,
};
const lora = { rank: 8, targets: [''] };
const short = { ...pretraining, length: 4096 };

function fitting(
  architecture: Architecture,
  options: Omit<PlanOptions, 'layout'>,
  devices: number,
  gigabytes: number,
): number {
  const planned = planLayouts(architecture, options, { devices, deviceMemory: gigabytes * GB });
  return planned.filter(({ fits }) => fits).length;
}

test.each([
  ['13B, pre-training on 8 x 64 GB', pretraining, 8, 64],
  ['13B, pre-training on 16 x 32 GB', pretraining, 16, 32],
  ['13B, LoRA on 8 x 32 GB', { ...pretraining, lora }, 8, 32],
])('%s: some layout fits', (_, options, devices, gigabytes) => {
  expect(fitting(spark13b, options, devices, gigabytes)).toBeGreaterThan(0);
});

test('13B, pre-training on 4 x 32 GB or 2 x 64 GB: none does', () => {
  expect(fitting(spark13b, short, 4, 32)).toBe(0);
  expect(fitting(spark13b, short, 2, 64)).toBe(0);
});

test.each([
  ['13B', spark13b, 1, 64, true],
  ['13B', spark13b, 1, 32, false],
  ['13B', spark13b, 2, 32, true],
  ['52B', telechat52b, 4, 40, true],
  ['52B', telechat52b, 2, 40, false],
] as const)('%s, generation on %3$i x %4$i GB: %5$s', (_, architecture, tensor, gigabytes, fits) => {
  const weights = { dtype: 'bfloat16', integers: new Map(), castBytes: 0 } as const;
  const { total } = planGeneration(architecture, { weights, tensor, length: 8192 });
  expect(total <= gigabytes * GB).toBe(fits);
});

test('the fastest that fits comes first, and sends what the rings of its groups send', () => {
  const planned = planLayouts(spark13b, short, { devices: 8, deviceMemory: 64 * GB });
  const [first] = planned;
  const speeds = planned.filter(({ fits }) => fits).map(({ tokensPerSecond }) => tokensPerSecond ?? 0);
  expect(first?.tokensPerSecond).toBe(Math.max(...speeds));
  const sentBy = (zero: 0 | 1 | 2 | 3, data: number, tensor: number) =>
    planned.find(
      ({ layout }) =>
        layout.zero === zero && layout.data === data && layout.tensor === tensor && !layout.sequence,
    )?.plan.communication;
  const elements = first?.plan.model.elements ?? 0;
  expect(sentBy(0, 8, 1)).toMatchObject({ data: 2 * (7 / 8) * elements * 4, tensor: 0 });
  expect(sentBy(1, 8, 1)?.data).toBeCloseTo((7 / 8) * elements * (4 + 2), 0);
  expect(sentBy(2, 8, 1)?.data).toBeCloseTo((7 / 8) * elements * (4 * 4 + 2), 0);
  expect(sentBy(3, 8, 1)?.data).toBeCloseTo(4 * (7 / 8) * elements * (4 + 2 * 2), 0);
  // Forward, again, and backward; each two sums a block; one at each end.
  expect(sentBy(0, 1, 8)?.tensor).toBe(4 * 2 * (7 / 8) * (2 * 40 * 3 + 2) * 4096 * 5120 * 2);
});

test('a process on its own is planned as ever; ranks divide what they share', () => {
  const small = parseArchitecture(
    xverseConfig({ layers: 4, hidden: 512, intermediate: 1376, heads: 8, vocab: 8000 }),
    'small',
  );
  const options = { ...short, precision: 'float32', length: 256, accumulation: 1 } as const;
  const alone = planRun(small, options);
  expect(planRun(small, { ...options, layout: ALONE })).toEqual(alone);
  const shared = (zero: 0 | 1 | 2 | 3, data: number, tensor: number) =>
    planRun(small, { ...options, layout: { ...ALONE, data, zero, tensor } }).memory;
  expect(shared(1, 2, 1)).toMatchObject({ weights: alone.memory.weights, moments: alone.memory.moments / 2 });
  expect(shared(3, 2, 1)).toMatchObject({
    weights: alone.memory.weights / 2,
    moments: alone.memory.moments / 2,
  });
  // Norms are whole on every rank.
  const norms = (2 * 4 + 1) * 512 * 4;
  expect(shared(0, 1, 2).weights).toBe((alone.memory.weights - norms) / 2 + norms);
});
