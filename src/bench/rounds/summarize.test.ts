/** Best, median, spread; ratios; exponents. */
import { describe, expect, test } from 'vitest';
import { exponentOf, ratioOf, summarize } from './summarize.js';

test.each([
  ['higher', [3, 1, 2], { best: 3, median: 2, spread: 1 }],
  ['lower', [3, 1, 2], { best: 1, median: 2, spread: 1 }],
  ['lower', [4, 1, 2, 3], { best: 1, median: 2.5, spread: 1.2 }],
  ['higher', [5], { best: 5, median: 5, spread: 0 }],
  ['lower', [0, 0], { best: 0, median: 0, spread: 0 }],
] as const)('%s of %j', (better, values, expected) => {
  expect(summarize(values, better)).toEqual({ ...expected, values });
});

test('nothing has no best', () => expect(() => summarize([], 'lower')).toThrow(TypeError));

describe('a ratio is ours over theirs', () => {
  test('where more is better', () => {
    const [ours, theirs] = [summarize([10, 30, 20], 'higher'), summarize([10, 10, 20], 'higher')];
    expect(ratioOf(ours, theirs)).toEqual({ best: 1.5, median: 2, least: 1, greatest: 3 });
  });

  test('where less is better', () => {
    const [ours, theirs] = [summarize([2, 4], 'lower'), summarize([4, 4], 'lower')];
    expect(ratioOf(ours, theirs)).toEqual({ best: 0.5, median: 0.75, least: 0.5, greatest: 1 });
  });

  test('of no common round there is none', () => {
    expect(() => ratioOf(summarize([1], 'lower'), { best: 1, median: 1, spread: 0, values: [] })).toThrow(
      TypeError,
    );
  });
});

test.each([
  [0, (_: number) => 7],
  [1, (size: number) => 3 * size],
  [2, (size: number) => size ** 2],
  [-0.5, (size: number) => 1 / Math.sqrt(size)],
])('an exponent of %d is found', (exponent, law) => {
  const points = [1, 2, 5, 30].map((size) => ({ size, value: law(size) }));
  expect(exponentOf(points)).toBeCloseTo(exponent, 12);
});
