import { expect, test } from 'vitest';
import { RestartPolicy } from './restart-policy.js';

test('quick deaths in a row: longer and longer waits, then none', () => {
  const policy = new RestartPolicy();
  expect([0, 10, 59_999, 0, 0].map((ready) => policy.died(ready))).toEqual([
    500,
    1000,
    2000,
    4000,
    undefined,
  ]);
});

test('an engine that lived long begins the row again', () => {
  const policy = new RestartPolicy({ maxDelayMs: 800 });
  expect([0, 0, 0, 60_000, 0, 0, 0, 0].map((ready) => policy.died(ready))).toEqual([
    500,
    800,
    800,
    500,
    800,
    800,
    800,
    undefined,
  ]);
});
