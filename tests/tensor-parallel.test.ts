/** Runs whose ranks share every large matrix, against the same run of one process: losses, norms, checkpoints, weights. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALONE, familyCases, type Layout, type ParallelCase, ParallelRuns } from './support/parallel-runs.js';

const runs = new ParallelRuns(process.env.TP_STEPS === undefined ? 12 : Number(process.env.TP_STEPS));
afterAll(() => runs.dispose());

const all = familyCases((process.env.TP_F ?? 'xverse').split(','));

const LAYOUTS: readonly (Layout & { readonly of: readonly ParallelCase[] })[] = [
  { run: 'tensor-2', ranks: 2, tensor: 2, of: all },
  { run: 'tensor-2-sequence', ranks: 2, tensor: 2, sequence: true, of: all },
  { run: 'tensor-2-data-2', ranks: 4, tensor: 2, zero: 3, of: all },
  { run: 'tensor-4', ranks: 4, tensor: 4, zero: 1, sequence: true, of: all },
];

beforeAll(async () => {
  await runs.run(all, ALONE);
  for (const layout of LAYOUTS) await runs.run(layout.of, layout);
}, 600_000);

describe.each(LAYOUTS)('$ranks ranks, tensor $tensor', ({ run, of }) => {
  it.each(of)('train $name as one process does', ({ name, within }) => {
    const { worst, what } = runs.metricsDifference(run, name);
    expect(worst, what).toBeLessThan(within);
    if (within > 1e-9) return;
    for (const file of [
      'final',
      'checkpoints/step-3/model.safetensors',
      'checkpoints/step-3/optimizer.safetensors',
    ]) {
      const difference = runs.tensorsDifference(run, name, file);
      expect(difference.worst, `${file}: ${difference.what}`).toBeLessThan(1e-9);
    }
  });
});
