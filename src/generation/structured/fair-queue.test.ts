import { describe, expect, test } from 'vitest';
import { FairQueue } from './fair-queue.js';

/** Serves everything; `took` says what a job took in truth. */
function serve(queue: FairQueue<string>, took: (job: string) => number = () => 0): string[] {
  const served: string[] = [];
  for (let next = queue.next(); next !== undefined; next = queue.next()) {
    served.push(next.job);
    const milliseconds = took(next.job);
    if (milliseconds > 0) next.spent(milliseconds);
  }
  return served;
}

describe('turns', () => {
  test('one client with many jobs does not hold up another', () => {
    const queue = new FairQueue<string>();
    for (let job = 0; job < 4; job++) queue.add('many', `m${job}`, 10);
    queue.add('one', 'o', 10);
    expect(queue.size).toBe(5);
    expect(serve(queue)).toEqual(['m0', 'o', 'm1', 'm2', 'm3']);
    expect(queue.size).toBe(0);
  });

  test('a small job goes before the large ones of many clients', () => {
    const queue = new FairQueue<string>();
    // The first of them runs already.
    for (let client = 0; client < 96; client++) queue.add(`c${client}`, `c${client}`, 300);
    queue.next();
    queue.add('small', 'small', 1);
    expect(queue.next()?.job).toBe('small');
  });

  test('what a job took counts, not what it looked like', () => {
    const queue = new FairQueue<string>();
    for (let job = 0; job < 3; job++) queue.add('slow', `s${job}`, 1);
    for (let job = 0; job < 3; job++) queue.add('quick', `q${job}`, 1);
    expect(serve(queue, (job) => (job.startsWith('s') ? 1000 : 1))).toEqual([
      's0',
      'q0',
      'q1',
      'q2',
      's1',
      's2',
    ]);
  });

  test('a large job is not put off for ever by new clients with small ones', () => {
    const queue = new FairQueue<string>();
    queue.add('large', 'large', 50);
    let rounds = 0;
    for (let job: string | undefined = ''; job !== 'large'; rounds++) {
      queue.add(`new${rounds}`, 'small', 1);
      job = queue.next()?.job;
    }
    expect(rounds).toBeLessThanOrEqual(110);
  });

  test('who was idle has saved up nothing', () => {
    const queue = new FairQueue<string>();
    for (let job = 0; job < 5; job++) queue.add('busy', 'b', 10);
    serve(queue);
    for (let job = 0; job < 3; job++) {
      queue.add('busy', 'b', 10);
      queue.add('idle', 'i', 10);
    }
    expect(serve(queue)).toEqual(['b', 'i', 'b', 'i', 'b', 'i']);
  });
});

test('a job is taken out wherever it waits', () => {
  const queue = new FairQueue<string>();
  queue.add('a', 'x', 5);
  queue.add('a', 'y', 1);
  queue.add('b', 'x', 5);
  queue.remove('x');
  expect(queue.size).toBe(1);
  expect(serve(queue)).toEqual(['y']);
  expect(queue.next()).toBeUndefined();
});
