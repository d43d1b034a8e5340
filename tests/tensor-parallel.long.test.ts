/** As tensor-parallel.test.ts, for every family and whatever may be told apart in a run, on every kind of mesh. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { goldenModels } from './support/golden.js';
import { ALONE, type Layout, type ParallelCase, ParallelRuns } from './support/parallel-runs.js';
import { tensorParallelCases } from './support/tensor-parallel-cases.js';

const runs = new ParallelRuns(12);
afterAll(() => runs.dispose());

const all = tensorParallelCases(runs, goldenModels);
const CASES = [...all.values()];
const withFamilies = (...names: string[]): ParallelCase[] =>
  [...goldenModels, ...names].flatMap((name) => all.get(name) ?? []);

const LAYOUTS: readonly (Layout & { readonly of: readonly ParallelCase[] })[] = [
  { run: 'tensor-2', ranks: 2, tensor: 2, of: CASES },
  { run: 'tensor-2-zero-3-sequence', ranks: 2, tensor: 2, zero: 3, sequence: true, of: CASES },
  {
    run: 'tensor-2-data-2-zero-1-sequence',
    ranks: 4,
    tensor: 2,
    zero: 1,
    sequence: true,
    of: withFamilies('epochs', 'dora', 'kto', 'best'),
  },
  {
    run: 'tensor-2-data-2-zero-3',
    ranks: 4,
    tensor: 2,
    zero: 3,
    of: withFamilies('kto', 'samples', 'mixed'),
  },
  {
    run: 'tensor-4-zero-1-sequence',
    ranks: 4,
    tensor: 4,
    zero: 1,
    sequence: true,
    of: withFamilies('odd', 'balanced', 'dora', 'fused-lora', 'orpo'),
  },
  { run: 'tensor-4-zero-2', ranks: 4, tensor: 4, zero: 2, of: withFamilies('lora') },
];

beforeAll(async () => {
  await runs.run(CASES, ALONE);
  for (const layout of LAYOUTS) await runs.run(layout.of, layout);
}, 3_600_000);

describe.each(LAYOUTS)('$run', ({ run, of }) => {
  it.each(of)('train $name as one process does', (one) => runs.expectAsAlone(run, one));
});

it('goes on with four parts from a checkpoint of two', async () => {
  const [one] = withFamilies().slice(-1);
  if (one === undefined) throw new Error('no case');
  await runs.resume(one, 'tensor-2-data-2-zero-3', { run: 'two-to-four', ranks: 4, tensor: 4, zero: 1 });
  runs.expectAsAlone('two-to-four', one);
});
