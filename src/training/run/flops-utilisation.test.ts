import { expect, test } from 'vitest';
import { flopsUtilisation } from './flops-utilisation.js';

test('a share of the peak, never more than the whole', () => {
  const budget = { perToken: 6e9, peakPerSecond: 300e9 };
  expect(flopsUtilisation(budget, 25)).toBe(0.5);
  expect(flopsUtilisation(budget, 50)).toBe(1);
  expect(flopsUtilisation(budget, 51)).toBeUndefined();
  expect(flopsUtilisation({ ...budget, peakPerSecond: 0 }, 0)).toBeUndefined();
  expect(flopsUtilisation(undefined, 25)).toBeUndefined();
});
