import { expect, test } from 'vitest';
import { QueueFullError } from '../engine-service.js';
import { Admission } from './admission.js';

function refusal(
  admission: Admission,
  requests: number,
  tokens: number,
  prompt: number,
): QueueFullError | undefined {
  try {
    admission.check({ requests, tokens }, prompt);
    return undefined;
  } catch (error) {
    if (error instanceof QueueFullError) return error;
    throw error;
  }
}

test('bounds in requests and in tokens; a long prompt finds room in an empty queue only', () => {
  const admission = new Admission({ maxRequests: 4, maxTokens: 1000 });
  expect(refusal(admission, 3, 900, 100)).toBeUndefined();
  expect(refusal(admission, 4, 40, 10)?.message).toMatch(/4 requests wait already/);
  expect(refusal(admission, 1, 900, 101)?.message).toMatch(/900 prompt tokens; with 101 more .* over 1000/);
  expect(refusal(admission, 0, 0, 5000)).toBeUndefined();
});

test('when to ask again follows the rate of the last half minute', () => {
  let now = 0;
  const admission = new Admission({ maxRequests: 40, maxTokens: 1000 }, () => now);
  expect(refusal(admission, 40, 40, 1)?.retryAfter, 'nothing is known').toBe(5);
  for (; now < 10_000; now += 2000) admission.started();
  // One begins every two seconds; ten of forty have begun in twenty.
  expect(refusal(admission, 40, 40, 1)?.retryAfter).toBe(20);
  for (let count = 0; count < 200; count++) admission.started();
  expect(refusal(admission, 40, 40, 1)?.retryAfter, 'never under a second').toBe(1);
  now += 60_000;
  expect(refusal(admission, 40, 40, 1)?.retryAfter, 'long ago').toBe(5);
  admission.started();
  now += 29_000;
  expect(refusal(admission, 40, 40, 1)?.retryAfter, 'never over a minute').toBe(60);
});
