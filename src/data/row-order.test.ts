import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Permutation } from './permutation.js';
import { RowOrder } from './row-order.js';

const positions = (order: RowOrder, from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => order.rowAt(from + index));

const ascending = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);

test('every epoch is a permutation, and no two are the same', () => {
  const order = new RowOrder(50, { seed: 3, shuffle: true });
  const epochs = [0, 1, 2].map((epoch) => positions(order, 50 * epoch, 50 * (epoch + 1)));
  const sorted = Array.from({ length: 50 }, (_, index) => index);
  for (const epoch of epochs) expect(ascending(epoch)).toEqual(sorted);
  expect(new Set([sorted, ...epochs].map((epoch) => epoch.join())).size).toBe(4);
});

test('depends on the seed and the position alone', () => {
  const whole = positions(new RowOrder(50, { seed: 3, shuffle: true }), 0, 150);
  const order = new RowOrder(50, { seed: 3, shuffle: true });
  expect(order.rowAt(149)).toBe(whole[149]);
  expect(order.rowAt(7)).toBe(whole[7]);
  expect(positions(new RowOrder(50, { seed: 4, shuffle: true }), 0, 150)).not.toEqual(whole);
});

test('without shuffling the rows come in order, again and again', () => {
  expect(positions(new RowOrder(3, { seed: 3, shuffle: false }), 0, 7)).toEqual([0, 1, 2, 0, 1, 2, 0]);
});

test('phases keep their order, each is shuffled by itself', () => {
  const order = new RowOrder(60, { seed: 1, shuffle: true, phases: [20, 0, 40] });
  const epoch = positions(order, 60, 120);
  expect(ascending(epoch.slice(0, 20))).toEqual(Array.from({ length: 20 }, (_, index) => index));
  expect(ascending(epoch.slice(20))).toEqual(Array.from({ length: 40 }, (_, index) => 20 + index));
  expect(epoch).not.toEqual(ascending(epoch));
  expect(() => new RowOrder(60, { seed: 1, shuffle: true, phases: [20] })).toThrow(/20 rows, the data 60/);
});

test('a permutation of any size, and of sizes that no memory would hold', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), fc.integer(), (count, key) => {
      const permutation = new Permutation(count, key);
      const images = new Set(Array.from({ length: count }, (_, position) => permutation.at(position)));
      expect(images.size).toBe(count);
      expect(Math.max(...images)).toBe(count - 1);
    }),
  );
  const huge = new Permutation(2 ** 45, 7);
  expect(huge.at(2 ** 44 + 1)).toBeLessThan(2 ** 45);
  expect(() => huge.at(2 ** 45)).toThrow(RangeError);
});

test('looks like chance: neighbours are far apart, places and rows are not correlated', () => {
  const count = 10_000;
  const order = positions(new RowOrder(count, { seed: 0, shuffle: true }), 0, count);
  const mean = (count - 1) / 2;
  const variance = (count * count - 1) / 12;
  const correlation = (lag: number): number =>
    order.reduce(
      (sum, row, position) => sum + (row - mean) * ((order[(position + lag) % count] ?? 0) - mean),
      0,
    ) /
    (count * variance);
  const withPlace =
    order.reduce((sum, row, position) => sum + (row - mean) * (position - mean), 0) / (count * variance);
  // The standard deviation of each is 0.01.
  for (const value of [correlation(1), correlation(2), correlation(100), withPlace])
    expect(Math.abs(value)).toBeLessThan(0.04);
});
