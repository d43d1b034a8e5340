import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packBestFit } from './best-fit.js';
import { concatenateSamples, cutLongSamples } from './cut-fragments.js';
import { packFirstFit } from './first-fit.js';
import { packGreedily, packSeparately } from './greedy.js';
import { type Fragments, planRows, type RowAssignment, rowTokens } from './row-plan.js';

const u32 = (...values: number[]): Uint32Array => Uint32Array.from(values);

function contents({ rowCount, rowOf }: RowAssignment, values: ArrayLike<number>): number[][] {
  const rows: number[][] = Array.from({ length: rowCount }, () => []);
  rowOf.forEach((row, fragment) => {
    rows[row]?.push(values[fragment] ?? -1);
  });
  return rows;
}

test('greedy: in order, a new row where the next does not fit', () => {
  const task = { lengths: u32(4, 5, 2, 10, 1), capacity: 10 };
  expect(contents(packGreedily(task), task.lengths)).toEqual([[4, 5], [2], [10], [1]]);
  expect(packSeparately(task)).toEqual({ rowCount: 5, rowOf: u32(0, 1, 2, 3, 4) });
  expect(packGreedily({ lengths: u32(), capacity: 10 }).rowCount).toBe(0);
});

test('best fit: the fullest row that still has room', () => {
  const task = { lengths: u32(3, 6, 4, 7, 2), capacity: 10 };
  expect(contents(packBestFit(task), task.lengths)).toEqual([[3, 7], [6, 4], [2]]);
  // Windows of two fragments share no row.
  expect(contents(packBestFit(task, 2), task.lengths)).toEqual([[3, 6], [7], [4], [2]]);
});

/** TeleChat's published loop: one row after the other, each by one pass over what is left. */
function onePassAfterTheOther(lengths: readonly number[], capacity: number): number[][] {
  const rows: number[][] = [];
  let left = lengths.map((_, fragment) => fragment);
  while (left.length > 0) {
    let used = 0;
    const row = left.filter((fragment) => {
      if (used + (lengths[fragment] ?? 0) > capacity) return false;
      used += lengths[fragment] ?? 0;
      return true;
    });
    rows.push(row);
    left = left.filter((fragment) => !row.includes(fragment));
  }
  return rows;
}

test('first fit is one pass over all that is left, row after row', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 }), (lengths) => {
      const task = { lengths: u32(...lengths), capacity: 30 };
      const indexes = lengths.map((_, fragment) => fragment);
      expect(contents(packFirstFit(task), indexes)).toEqual(onePassAfterTheOther(lengths, 30));
    }),
  );
});

test('first fit by nominal sizes never overfills the row that is written', () => {
  const nominal = { lengths: u32(4, 4, 4), capacity: 8 };
  const task = { lengths: u32(5, 6, 3), capacity: 9, nominal };
  expect(contents(packFirstFit(task), task.lengths)).toEqual([[5, 3], [6]]);
});

describe.each([
  ['greedy', packGreedily],
  ['best fit', packBestFit],
  ['first fit', packFirstFit],
  ['separate', packSeparately],
] as const)('%s', (_, pack) => {
  test('every fragment is in one row, no row is overfull or empty', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 64 }), { maxLength: 300 }), (lengths) => {
        const assignment = pack({ lengths: u32(...lengths), capacity: 64 });
        const fragments: Fragments = {
          samples: u32(...lengths.map((_, sample) => sample)),
          starts: new Uint32Array(lengths.length),
          lengths: u32(...lengths),
        };
        const plan = planRows(fragments, assignment);
        expect([...plan.samples].sort((a, b) => a - b)).toEqual([...fragments.samples]);
        for (let row = 0; row < plan.rowCount; row++) {
          expect(rowTokens(plan, row)).toBeGreaterThan(0);
          expect(rowTokens(plan, row)).toBeLessThanOrEqual(64);
        }
      }),
    );
  });
});

test('best fit wastes less than greedy', () => {
  const lengths = Uint32Array.from({ length: 5000 }, (_, index) => 1 + ((index * 7919) % 900));
  const rows = (pack: typeof packGreedily): number => pack({ lengths, capacity: 1000 }).rowCount;
  const ideal = lengths.reduce((sum, length) => sum + length, 0) / 1000;
  expect(rows(packBestFit)).toBeLessThan(1.02 * ideal);
  expect(rows(packGreedily)).toBeGreaterThan(1.2 * ideal);
});

test('joined samples are cut at the row ends only', () => {
  const { fragments, assignment } = concatenateSamples(u32(0, 1, 2, 3), u32(3, 0, 6, 1), 4);
  expect(fragments).toEqual({
    samples: u32(0, 2, 2, 2, 3),
    starts: u32(0, 0, 1, 5, 0),
    lengths: u32(3, 1, 4, 1, 1),
  });
  expect(assignment).toEqual({ rowCount: 3, rowOf: u32(0, 0, 1, 2, 2) });
  expect(concatenateSamples(u32(), u32(), 4).assignment.rowCount).toBe(0);
});

test('only samples longer than a row are cut', () => {
  expect(cutLongSamples(u32(1, 0, 2), u32(3, 9, 0), 4)).toEqual({
    samples: u32(1, 1, 1, 0),
    starts: u32(0, 4, 8, 0),
    lengths: u32(4, 4, 1, 3),
  });
});
