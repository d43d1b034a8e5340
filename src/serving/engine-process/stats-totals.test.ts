import { expect, test } from 'vitest';
import { EMPTY_STATS } from './engine-module.js';
import { StatsTotals } from './stats-totals.js';

const stats = { ...EMPTY_STATS, blocks: 100 };

test('counters go on over a new engine, gauges do not', () => {
  const totals = new StatsTotals();
  totals.absorb({ ...stats, running: 3, freeBlocks: 40, steps: 7, generatedTokens: 21 });
  totals.restart();
  expect(totals.take()).toMatchObject({ running: 0, freeBlocks: 100, steps: 7, generatedTokens: 21 });
  totals.absorb({ ...stats, running: 1, freeBlocks: 90, steps: 2, generatedTokens: 2 });
  totals.absorb({ ...stats, running: 1, freeBlocks: 90, steps: 3, generatedTokens: 3 });
  expect(totals.take()).toMatchObject({ running: 1, freeBlocks: 90, steps: 10, generatedTokens: 24 });
});

test('the sizes of steps are given once, the newest ones if nobody asks', () => {
  const totals = new StatsTotals();
  totals.absorb({ ...stats, stepTokens: [1, 2] });
  totals.absorb({ ...stats, stepTokens: [3] });
  expect(totals.take().stepTokens).toEqual([1, 2, 3]);
  expect(totals.take().stepTokens).toEqual([]);
  for (let batch = 0; batch < 30; batch++)
    totals.absorb({ ...stats, stepTokens: Array.from({ length: 1000 }, (_, step) => batch * 1000 + step) });
  const { stepTokens } = totals.take();
  expect([stepTokens.length, stepTokens[0], stepTokens.at(-1)]).toEqual([10_000, 20_000, 29_999]);
});
