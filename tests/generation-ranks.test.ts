/** Two ranks that share a model give what one process gives: every kind of request, in one engine. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GenerationJob, GenerationRuns } from './support/generation-ranks.js';
import { goldenFolder } from './support/golden.js';
import { tinyAdapter } from './support/tiny-model.js';

const runs = new GenerationRuns();
afterAll(() => runs.dispose());

const model = (name: string): string => `${goldenFolder}${name}`;

const jobs: readonly GenerationJob[] = [
  { name: 'spark', model: model('spark'), dtype: 'float32' },
  { name: 'telechat-52b', model: model('telechat-52b'), dtype: 'float32' },
  { name: 'qwen3moe', model: model('qwen3moe'), dtype: 'float32', maxDrafts: 4 },
  { name: 'int8-pages', model: model('telechat-12b'), dtype: 'float32', kvDType: 'int8', within: 5e-3 },
  {
    name: 'adapters',
    model: model('xverse'),
    dtype: 'float32',
    adapter: tinyAdapter,
    refusedAdapter: model('spark'),
  },
];

beforeAll(async () => {
  await Promise.all([runs.run(jobs, 1), runs.run(jobs, 2)]);
}, 120_000);

describe.each(jobs)('$name', (job) => {
  test('on two ranks as on one process', () => {
    runs.expectAsAlone(job, 2);
    expect(runs.result(job.name, 2).kvHeads).toBe(runs.result(job.name, 1).kvHeads / 2);
  });
});
