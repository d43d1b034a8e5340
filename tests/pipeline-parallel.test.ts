/** Runs whose ranks each have some blocks of the model, or some tokens of each row, against the same run of one process. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { longTest } from './support/long-suite.js';
import { ALONE, type Layout, ParallelRuns, trainFiles } from './support/parallel-runs.js';
import { pipelineCases } from './support/pipeline-cases.js';

const runs = new ParallelRuns();
afterAll(() => runs.dispose());

// A tied table, a window, two pieces on each rank. All others are in the long run.
const [one] = [pipelineCases(runs, []).get('spark-window')].flatMap((found) => found ?? []);
if (one === undefined) throw new Error('no case');

const LAYOUTS: readonly Layout[] = [
  { run: 'pipeline-2-interleaved', ranks: 2, pipeline: 2, chunks: 2 },
  { run: 'context-2', ranks: 2, context: 2 },
];

beforeAll(async () => {
  await runs.run([one], ALONE);
  for (const layout of LAYOUTS) await runs.run([one], layout);
}, 300_000);

describe.each(LAYOUTS)('$run', ({ run }) => {
  it(`trains ${one.name} as one process does`, () => runs.expectAsAlone(run, one));
});

// What else is refused is in check-layout.test.ts.
longTest('blocks that the ranks cannot share are refused before anything is allocated', async () => {
  const refused = {
    ...one,
    name: 'spark-refused',
    sections: { parallel: { pipeline: 2, schedule: 'interleaved', chunks: 3 } },
  };
  const file = runs.writeConfig(refused, { run: 'refused', ranks: 2 });
  await expect(trainFiles([file], 2)).rejects.toThrow(
    /parallel\.pipeline is 2 in 3 pieces each.*5 blocks.*what fits is 1\./,
  );
});
