import { expect, test } from 'vitest';
import { erfc, mcnemar } from './mcnemar.js';

/** statsmodels 0.15.0: mcnemar([[0, b], [c, 0]], exact=b + c < 25, correction=True).pvalue */
test.each([
  [0, 0, 'exact', 1],
  [0, 1, 'exact', 1],
  [0, 6, 'exact', 0.03125],
  [2, 9, 'exact', 0.0654296875],
  [7, 7, 'exact', 1],
  [5, 19, 'exact', 0.006610751152038574],
  [12, 13, 'chi-squared', 1],
  [10, 30, 'chi-squared', 0.002663119259138558],
  [121, 59, 'chi-squared', 5.450094825427117e-6],
  [1000, 900, 'chi-squared', 0.023133919510755163],
] as const)('%i right in the first run alone, %i in the second: %s, p = %f', (first, second, method, p) => {
  const found = mcnemar(first, second);
  expect(found).toMatchObject({ firstOnly: first, secondOnly: second, method });
  expect(found.p / p).toBeCloseTo(1, 10);
  expect(mcnemar(second, first).p).toBe(found.p);
});

test('as many one way as the other: no sign of a difference', () => {
  expect(mcnemar(40, 40).p).toBe(1);
});

/** scipy 1.17.1: scipy.special.erfc */
test.each([
  [0, 1],
  [0.5, 0.4795001221869535],
  [1.999999, 0.004677755648073952],
  [2, 0.004677734981047266],
  [2.5, 0.0004069520174449589],
  [5, 1.5374597944280347e-12],
  [10, 2.088487583762545e-45],
])('erfc(%f)', (x, value) => {
  expect(erfc(x) / value).toBeCloseTo(1, 9);
});
