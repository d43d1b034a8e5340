import { expect, test } from 'vitest';
import { StatsKeeper } from './stats-keeper.js';
import { EMPTY_STATS } from './stepping-engine.js';

const stats = { ...EMPTY_STATS, blocks: 100 };

test('counters go on over a new engine, gauges do not', () => {
  const keeper = new StatsKeeper();
  keeper.absorb({ ...stats, running: 3, freeBlocks: 40, steps: 7, generatedTokens: 21 });
  keeper.restart();
  expect(keeper.take()).toMatchObject({ running: 0, freeBlocks: 100, steps: 7, generatedTokens: 21 });
  keeper.absorb({ ...stats, running: 1, freeBlocks: 90, steps: 2, generatedTokens: 2 });
  keeper.absorb({ ...stats, running: 1, freeBlocks: 90, steps: 3, generatedTokens: 3 });
  expect(keeper.take()).toMatchObject({ running: 1, freeBlocks: 90, steps: 10, generatedTokens: 24 });
});

test('the sizes of steps are given once, the newest ones if nobody asks', () => {
  const keeper = new StatsKeeper();
  keeper.absorb({ ...stats, stepTokens: [1, 2] });
  keeper.absorb({ ...stats, stepTokens: [3] });
  expect(keeper.take().stepTokens).toEqual([1, 2, 3]);
  expect(keeper.take().stepTokens).toEqual([]);
  for (let batch = 0; batch < 30; batch++)
    keeper.absorb({ ...stats, stepTokens: Array.from({ length: 1000 }, (_, step) => batch * 1000 + step) });
  const { stepTokens } = keeper.take();
  expect([stepTokens.length, stepTokens[0], stepTokens.at(-1)]).toEqual([10_000, 20_000, 29_999]);
});
