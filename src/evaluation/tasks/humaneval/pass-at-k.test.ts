import { expect, test } from 'vitest';
import { passAtK } from './pass-at-k.js';

test.each([
  [1, 1, 1, 1],
  [1, 0, 1, 0],
  [2, 1, 1, 0.5],
  [2, 1, 2, 1],
  [5, 2, 2, 0.7],
  [10, 3, 5, 1 - 21 / 252],
])('%d outputs, %d pass: pass@%d is %d', (n, c, k, value) => {
  expect(passAtK(n, c, k)).toBeCloseTo(value, 12);
});
