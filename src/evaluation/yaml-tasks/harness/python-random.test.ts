import { expect, test } from 'vitest';
import { PythonRandom } from './python-random.js';

const range = (count: number): number[] => [...Array(count).keys()];

test("draws what CPython 3.11's random.Random(1234).sample draws, one after the other", () => {
  const random = new PythonRandom(1234);
  expect(random.sample(range(10), 3)).toEqual([7, 1, 0]);
  expect(random.sample(range(100), 5)).toEqual([11, 74, 4, 85, 88]);
  expect(random.sample(range(30), 8)).toEqual([2, 3, 24, 11, 7, 0, 27, 23]);
  expect(random.sample(range(5), 5)).toEqual([2, 3, 4, 1, 0]);
  expect(random.sample(range(400), 8)).toEqual([46, 93, 365, 58, 7, 257, 249, 127]);
  expect(() => random.sample(range(2), 3)).toThrow(RangeError);
});
