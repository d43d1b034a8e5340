import { expect, test } from 'vitest';
import type { RowSource } from '../../data/index.js';
import type { MeasuredRows } from '../step/trainer.js';
import { type HeldOutRanks, measureHeldOut } from './held-out.js';

const rows: Pick<RowSource, 'rowCount' | 'read'> = {
  rowCount: 21,
  read: async () => ({ ids: [1, 2], lossMask: [1, 1] }),
};

/** This rank alone in each of its groups, one of which is said to have more. */
function ranksOf(stages: number | undefined): HeldOutRanks {
  const group = {
    size: stages ?? 1,
    gatherNumbers: (values: readonly number[]) => [[...values]],
    gatherTexts: (text: string) => [text],
  };
  return { data: { rank: 0, size: 1 }, stages: stages === undefined ? undefined : group };
}

test.each([
  [undefined, 21],
  [2, 3],
  [4, 2],
])('%s stages: signals are asked for %i times in 21 batches', async (stages, asked) => {
  let pauses = 0;
  let measured = 0;
  const measure = (): MeasuredRows => {
    measured += 1;
    return { perToken: 2, perRecord: undefined, divisors: { tokens: 1, records: 0 }, metrics: undefined };
  };
  const pause = async (): Promise<void> => {
    pauses += 1;
  };
  const { loss, tokens } = await measureHeldOut(measure, { rows }, 1, pause, ranksOf(stages));
  expect({ pauses, measured, loss, tokens }).toEqual({ pauses: asked, measured: 21, loss: 2, tokens: 21 });
});
