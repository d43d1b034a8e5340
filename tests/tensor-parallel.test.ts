/** Runs whose ranks share every large matrix, against the same run of one process: losses, norms, checkpoints, weights. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { casesOf, isLongSuite, longTest } from './support/long-suite.js';
import { ALONE, type Layout, ParallelRuns, trainFiles } from './support/parallel-runs.js';
import { tensorParallelCases } from './support/tensor-parallel-cases.js';

const runs = new ParallelRuns(isLongSuite ? 12 : 6);
afterAll(() => runs.dispose());

// Biases and a tied table; fused matrices; experts. All others are in the long run.
const all = tensorParallelCases(runs, ['spark', 'telechat-52b']);
const named = (...names: string[]) => names.flatMap((name) => all.get(name) ?? []);
const CASES = named('spark', 'telechat-52b', 'balanced', 'dora', ...(isLongSuite ? ['dpo'] : []));

const LAYOUTS: readonly Layout[] = [
  { run: 'tensor-2', ranks: 2, tensor: 2, sequence: true },
  { run: 'tensor-2-data-2', ranks: 4, tensor: 2, zero: 3 },
];

/** Four processes on few cores are slow: what meets all of it there. */
const casesOn = ({ ranks }: Layout) => (ranks > 2 ? named('spark', ...(isLongSuite ? ['dora'] : [])) : CASES);

beforeAll(async () => {
  await runs.run(CASES, ALONE);
  for (const layout of LAYOUTS) await runs.run(casesOn(layout), layout);
}, 300_000);

describe.each(LAYOUTS)('$run', (layout) => {
  const { run } = layout;
  it.each(casesOn(layout))('train $name as one process does', (one) => runs.expectAsAlone(run, one));
});

describe('a run goes on', () => {
  const changes = [
    { from: 'tensor-2-data-2', on: { run: 'tensor-to-one', ranks: 1 } },
    { from: 'one', on: { run: 'one-to-tensor-2', ranks: 2, tensor: 2, zero: 1, sequence: true } },
  ] as const;
  it.each(casesOf(changes, ({ from }) => from !== 'one'))(
    'on $on.ranks rank(s) from a checkpoint of $from',
    async ({ from, on }) => {
      const [one] = named('spark');
      if (one === undefined) throw new Error('no case');
      await runs.resume(one, from, on);
      runs.expectAsAlone(on.run, one);
    },
  );
});

// What else is refused is in check-layout.test.ts.
longTest('heads that the ranks cannot share are refused before anything is allocated', async () => {
  const [one] = named('spark');
  if (one === undefined) throw new Error('no case');
  const refused = { ...one, name: 'refused', sections: { parallel: { tensor: 3 } } };
  const file = runs.writeConfig(refused, { run: 'refused', ranks: 3 });
  await expect(trainFiles([file], 3)).rejects.toThrow(/parallel\.tensor is 3.*4 heads.*what fits is 1, 2, 4/);
});
