import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { maxAbsDifference } from '../../../tests/support/golden.js';
import { liveTensorCount, RandomGenerator, randn } from '../../tensor/index.js';
import { FinishedBlocks } from './finished-blocks.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-finished-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('hidden states between two blocks come back, and none stays in memory', () => {
  const finished = new FinishedBlocks(join(folder, 'model'), {});
  const random = new RandomGenerator(1);
  const [full, quantized] = [
    randn([1, 3, 4], random).keep(),
    randn([1, 4, 3], random).transpose(1, 2).keep(),
  ];
  const before = liveTensorCount();
  for (const nextBlock of [1, 2, 3]) finished.writeState({ nextBlock, full: [full], quantized: [quantized] });
  expect(liveTensorCount()).toBe(before);

  // The last two are there.
  expect(finished.state(1)).toBeUndefined();
  const state = finished.state(2);
  if (state === undefined) throw new Error('no state');
  for (const [found, wanted] of [
    [state.full[0], full],
    [state.quantized[0], quantized],
  ] as const) {
    if (found === undefined) throw new Error('a window is missing');
    expect(found.shape).toEqual(wanted.shape);
    expect(maxAbsDifference(found, wanted)).toBe(0);
    found.dispose();
  }
});
