/** The planned peak of each of two and four ranks against what it took. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { sparkConfig, xverseConfig } from '../../../tests/support/plan-configs.js';
import { spawnRanks } from '../../../tests/support/spawn-ranks.js';
import { ALONE, type RankLayout, ranksOf } from './rank-layout.js';

const script = fileURLToPath(new URL('../../../tests/support/measure-ranks.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-planned-ranks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sizes = { layers: 8, hidden: 512, intermediate: 1376, heads: 8, vocab: 8000 };
// Four ranks have little each, and what a process takes beside its tensors differs by 30 MiB from run to run.
const wider = { ...sizes, hidden: 768, intermediate: 2048 };
const run = {
  config: xverseConfig(sizes),
  precision: 'float32',
  length: 256,
  microBatchSize: 2,
  recompute: 'none',
};

async function measure(
  layout: Partial<RankLayout>,
  options: Partial<typeof run> & { accumulation?: number },
) {
  const whole = { ...ALONE, ...layout };
  const ranks = ranksOf(whole);
  await spawnRanks(script, [JSON.stringify({ ...run, ...options, layout: whole }), folder], ranks, 1);
  const found: number[] = [];
  for (let rank = 0; rank < ranks; rank++) {
    const { planned, fullest, measured } = JSON.parse(readFileSync(join(folder, `${rank}.json`), 'utf8'));
    const error = (100 * (measured - planned)) / planned;
    found.push(measured);
    console.log(
      `rank ${rank}: planned ${planned / 2 ** 20} MiB, measured ${measured / 2 ** 20} MiB, ${error.toFixed(1)} %`,
    );
    expect(Math.abs(error)).toBeLessThan(5);
    expect(planned).toBeLessThanOrEqual(fullest);
  }
  return found;
}

test.each<Partial<RankLayout>>([
  { data: 2 },
  { data: 2, zero: 1 },
  { data: 2, zero: 2 },
  { data: 2, zero: 3 },
  { tensor: 2 },
  { tensor: 2, sequence: true },
  { context: 2 },
  { context: 2, zero: 3 },
])('is right within five percent: %o', async (layout) => {
  await measure(layout, {});
});

test.each<[Partial<RankLayout>, Parameters<typeof measure>[1]]>([
  [{ pipeline: 2 }, { accumulation: 4 }],
  [{ pipeline: 2, chunks: 2 }, { accumulation: 4 }],
  [{ pipeline: 2 }, { accumulation: 4, recompute: 'full', microBatchSize: 4 }],
  [{ pipeline: 2 }, { accumulation: 4, config: sparkConfig(sizes) }],
  [{ pipeline: 4 }, { accumulation: 8, config: xverseConfig(wider) }],
  [
    { pipeline: 2, data: 2, zero: 1 },
    { accumulation: 4, config: xverseConfig(wider) },
  ],
  [
    { pipeline: 2, tensor: 2, sequence: true },
    { accumulation: 4, config: xverseConfig(wider) },
  ],
  [
    { pipeline: 2, context: 2, zero: 3 },
    { accumulation: 2, config: xverseConfig(wider) },
  ],
  [{ context: 2, tensor: 2 }, { microBatchSize: 4 }],
])('is right within five percent on every stage: %o, %o', async (layout, options) => {
  await measure(layout, options);
});
