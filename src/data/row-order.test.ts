import { expect, test } from 'vitest';
import { RowOrder } from './row-order.js';

const places = (order: RowOrder, from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => order.rowAt(from + index));

test('every epoch is a permutation, and no two are the same', () => {
  const order = new RowOrder(50, { seed: 3, shuffle: true });
  const epochs = [0, 1, 2].map((epoch) => places(order, 50 * epoch, 50 * (epoch + 1)));
  const sorted = Array.from({ length: 50 }, (_, index) => index);
  for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual(sorted);
  expect(new Set([sorted, ...epochs].map((epoch) => epoch.join())).size).toBe(4);
});

test('depends on the seed and the place alone', () => {
  const whole = places(new RowOrder(50, { seed: 3, shuffle: true }), 0, 150);
  const order = new RowOrder(50, { seed: 3, shuffle: true });
  expect(order.rowAt(149)).toBe(whole[149]);
  expect(order.rowAt(7)).toBe(whole[7]);
  expect(places(new RowOrder(50, { seed: 4, shuffle: true }), 0, 150)).not.toEqual(whole);
});

test('without shuffling the rows come in order, again and again', () => {
  expect(places(new RowOrder(3, { seed: 3, shuffle: false }), 0, 7)).toEqual([0, 1, 2, 0, 1, 2, 0]);
});
