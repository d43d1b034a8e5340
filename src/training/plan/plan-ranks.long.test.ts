/** The planned peak of each of two ranks against what it took. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { xverseConfig } from '../../../tests/support/plan-configs.js';
import { spawnRanks } from '../../../tests/support/spawn-ranks.js';
import type { RankLayout } from './rank-layout.js';

const script = fileURLToPath(new URL('../../../tests/support/measure-ranks.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-planned-ranks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = {
  config: xverseConfig({ layers: 8, hidden: 512, intermediate: 1376, heads: 8, vocab: 8000 }),
  precision: 'float32',
  length: 256,
  microBatchSize: 2,
  recompute: 'none',
};
const data = (zero: RankLayout['zero']): RankLayout => ({ data: 2, zero, tensor: 1, sequence: false });

test.each<RankLayout>([
  data(0),
  data(1),
  data(2),
  data(3),
  { data: 1, zero: 0, tensor: 2, sequence: false },
  { data: 1, zero: 0, tensor: 2, sequence: true },
])('is right within five percent: %o', async (layout) => {
  await spawnRanks(script, [JSON.stringify({ ...run, layout }), folder], 2, 1);
  for (const rank of [0, 1]) {
    const { planned, measured } = JSON.parse(readFileSync(join(folder, `${rank}.json`), 'utf8'));
    const error = (100 * (measured - planned)) / planned;
    console.log(
      `rank ${rank}: planned ${planned / 2 ** 20} MiB, measured ${measured / 2 ** 20} MiB, ${error.toFixed(1)} %`,
    );
    expect(Math.abs(error)).toBeLessThan(5);
  }
});
