import { describe, expect, it } from 'vitest';
import { alignRuns } from './client/aligned.js';
import { chartRange } from './client/chart-range.js';

const plain = { fromZero: false, logY: false, clips: true };
const course = Array.from({ length: 100 }, (_, index) => 2 + Math.sin(index));

describe('chartRange', () => {
  it('leaves outliers beyond the edge, and counts them', () => {
    const range = chartRange([...course, 900, null, Number.NaN, 40], plain);
    expect(range).toMatchObject({ beyond: 2, farthest: 900 });
    expect(range?.high).toBeLessThan(4);
  });

  it('shows everything where it is told to, on a logarithmic axis, of few values, and where nothing is far', () => {
    for (const [values, options] of [
      [[...course, 900], { ...plain, clips: false }],
      [[...course, 900], { ...plain, logY: true }],
      [[1, 2, 3, 900], plain],
      [course, plain],
      [course.map(() => 5), plain],
      // A loss at the start of a run lies far above, but many do.
      [Array.from({ length: 200 }, (_, step) => 2 + 9 * Math.exp(-step / 20)), plain],
    ] as const) {
      const range = chartRange(values, options);
      expect(range?.beyond).toBe(0);
      expect(range?.high).toBeGreaterThanOrEqual(Math.max(...values));
    }
  });

  it('finds outliers below too, and one among equal values', () => {
    expect(chartRange([...course, -500], plain)).toMatchObject({ beyond: 1, farthest: -500 });
    expect(chartRange([...course.map(() => 1), 100], plain)).toMatchObject({ beyond: 1, farthest: 100 });
    expect(chartRange([null, Number.NaN], plain)).toBe(undefined);
  });
});

describe('alignRuns', () => {
  it('puts runs over one axis, between their own ends only', () => {
    expect(
      alignRuns([
        { steps: [1, 3, 5], values: [10, 30, null] },
        { steps: [2, 4], values: [2, 4] },
      ]),
    ).toEqual({
      x: [1, 2, 3, 4, 5],
      values: [
        [10, 20, 30, null, null],
        [null, 2, 3, 4, null],
      ],
    });
  });
});
