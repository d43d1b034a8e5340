import { expect, it } from 'vitest';
import { expNonPositive, minExponent } from './exp-non-positive.js';

it('equals Math.exp within 4 units of the last place over its whole range', () => {
  let worst = 0;
  for (let i = 0; i <= 200_000; i++) {
    const x = minExponent * (i / 200_000) ** 3; // denser near 0
    worst = Math.max(worst, Math.abs(expNonPositive(x) / Math.exp(x) - 1));
  }
  expect(worst, 'largest relative error').toBeLessThan(4 * 2 ** -52);
  expect(expNonPositive(0)).toBe(1);
});
