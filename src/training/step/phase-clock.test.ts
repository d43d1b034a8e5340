import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { PhaseClock } from './phase-clock.js';

let now = 0;
beforeEach(() => {
  now = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => vi.restoreAllMocks());

test('adds up the time of each phase since the last look', () => {
  const clock = new PhaseClock();
  const spend = (phase: string | undefined, milliseconds: number): void => {
    clock.enter(phase);
    now += milliseconds;
  };
  spend('data', 125);
  spend('forward', 500);
  spend(undefined, 9000);
  spend('data', 250);
  expect(clock.take()).toEqual({ data: 0.375, forward: 0.5 });
  // The phase goes on, its time counts anew.
  now += 62.5;
  expect(clock.take()).toEqual({ data: 0.0625 });
  clock.enter(undefined);
  expect(clock.take()).toEqual({ data: 0 });
});
