/** Values computed by scikit-learn 1.7 (cohen_kappa_score) and scipy (spearmanr). */
import { expect, test } from 'vitest';
import { cohenKappa, spearman } from './agreement.js';

const one = [1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 3, 3, 2, 4].map((value) => value - 1);
const other = [1, 2, 4, 4, 5, 4, 4, 2, 2, 1, 3, 5, 1, 4].map((value) => value - 1);

test.each([
  ['none', 0.5569620253164558],
  ['linear', 0.7181208053691275],
  ['quadratic', 0.84],
] as const)('weights %s', (weights, kappa) => {
  expect(cohenKappa(one, other, 5, weights)).toBeCloseTo(kappa, 12);
});

test('the usual example of two clerks and fifty applications', () => {
  const times = (count: number, value: number): number[] => new Array<number>(count).fill(value);
  const a = [...times(20, 0), ...times(5, 0), ...times(10, 1), ...times(15, 1)];
  const b = [...times(20, 0), ...times(5, 1), ...times(10, 0), ...times(15, 1)];
  expect(cohenKappa(a, b, 2)).toBeCloseTo(0.4, 12);
  expect(cohenKappa(a, a, 2)).toBe(1);
  expect(cohenKappa([1, 1], [1, 1], 2)).toBeUndefined();
  expect(cohenKappa([], [], 2)).toBeUndefined();
});

test('ranks that are shared', () => {
  const x = [90, 85, 85, 40, 10, 60, 60, 75, 30, 55];
  const y = [95, 80, 70, 50, 20, 65, 55, 55, 35, 60];
  expect(spearman(x, y)).toBeCloseTo(0.9143773643235332, 12);
  expect(spearman([1, 2, 3], [3, 2, 1])).toBe(-1);
  expect(spearman([1, 1, 1], [3, 2, 1])).toBeUndefined();
});
