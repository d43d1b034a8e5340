/** Runs whose ranks each have some blocks of the model, or some tokens of each row, against the same run of one process. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALONE, type Layout, ParallelRuns, trainFiles } from './support/parallel-runs.js';
import { tensorParallelCases } from './support/tensor-parallel-cases.js';

const runs = new ParallelRuns(12);
afterAll(() => runs.dispose());

const all = tensorParallelCases(runs, ['spark']);
const named = (...names: string[]) => names.flatMap((name) => all.get(name) ?? []);
const CASES = named('spark');

const LAYOUTS: readonly Layout[] = [{ run: 'pipeline-2', ranks: 2, pipeline: 2 }];

beforeAll(async () => {
  await runs.run(CASES, ALONE);
  for (const layout of LAYOUTS) await runs.run(CASES, layout);
}, 300_000);

describe.each(LAYOUTS)('$run', ({ run }) => {
  it.each(CASES)('train $name as one process does', (one) => runs.expectAsAlone(run, one));
});
