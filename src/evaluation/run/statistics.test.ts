import { expect, test } from 'vitest';
import { estimateMean, estimateMeanOfGroups, estimateRatio, wilsonInterval } from './statistics.js';

test("a share: the sample's standard error, Wilson's interval", () => {
  const { score, stderr, interval } = estimateMean([1, 1, 1, 0]);
  expect(score).toBe(0.75);
  expect(stderr).toBeCloseTo(0.25, 12);
  // Known values of Wilson's interval for 3 of 4.
  expect(interval[0]).toBeCloseTo(0.3006, 4);
  expect(interval[1]).toBeCloseTo(0.9544, 4);
  expect(wilsonInterval(0, 10)[0]).toBe(0);
});

test('groups weigh alike', () => {
  expect(estimateMeanOfGroups([[1, 1, 1, 1], [0]]).score).toBe(0.5);
});

test('few samples that agree do not make it sure', () => {
  const { interval } = estimateMeanOfGroups([[0], [0]]);
  expect(interval).toEqual(wilsonInterval(0, 2));
  expect(estimateRatio([0], [5]).interval).toEqual([0, 1]);
  expect(estimateRatio([0, 0], [5, 5]).interval).toEqual(wilsonInterval(0, 2));
  expect(estimateRatio([4, 2, 2], [4, 2, 2]).interval).toEqual(wilsonInterval(1, 64 / 24));
});

test('points over possible points', () => {
  expect(estimateRatio([6, 0, 3], [6, 6, 6]).score).toBe(0.5);
});

test('the interval of a share holds the share, whatever is rounded', () => {
  for (let n = 1; n < 60; n++)
    for (let right = 0; right <= n; right++) {
      const [low, high] = wilsonInterval(right / n, n);
      expect(low).toBeLessThanOrEqual(right / n);
      expect(high).toBeGreaterThanOrEqual(right / n);
    }
});
