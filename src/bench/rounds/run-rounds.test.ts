/** The order of the sides, the load before each, and the end of the time. */
import { expect, test } from 'vitest';
import type { LoadSample } from '../machine/machine-load.js';
import { runRounds } from './run-rounds.js';
import type { Side } from './side.js';

const [ours, theirs]: Side[] = [
  { name: 'ours', command: 'a', args: [] },
  { name: 'theirs', command: 'b', args: [] },
];

function recorded(milliseconds = 0) {
  const order: string[] = [];
  let load = 0;
  return {
    order,
    sampleLoad: async (): Promise<LoadSample> => {
      order.push('load');
      load += 1;
      return { load, busyCores: 0 };
    },
    run: async ({ name }: Side) => {
      order.push(name);
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      return { printed: {}, processSeconds: 1, peakMemoryMiB: undefined };
    },
  };
}

test('the sides take turns, each after a look at the load', async () => {
  const { order, ...hooks } = recorded();
  const runs = await runRounds({
    sides: [ours, theirs].flatMap((side) => side ?? []),
    rounds: 3,
    seconds: 60,
    ...hooks,
  });
  const round = ['load', 'ours', 'load', 'theirs'];
  expect(order).toEqual([...round, ...round, ...round]);
  expect(runs.map(({ round: number, side, before }) => [number, side, before.load])).toEqual([
    [1, 0, 1],
    [1, 1, 2],
    [2, 0, 3],
    [2, 1, 4],
    [3, 0, 5],
    [3, 1, 6],
  ]);
});

test('no round is begun that would end too late, and the first is run whatever it takes', async () => {
  const { order, ...hooks } = recorded(30);
  const runs = await runRounds({
    sides: ours === undefined ? [] : [ours],
    rounds: 100,
    seconds: 0.1,
    ...hooks,
  });
  expect(runs.length).toBeGreaterThanOrEqual(1);
  expect(runs.length).toBeLessThanOrEqual(3);
  const none = await runRounds({
    sides: ours === undefined ? [] : [ours],
    rounds: 100,
    seconds: 0.001,
    ...hooks,
  });
  expect(none.length).toBe(1);
});

test('what a side throws ends the rounds', async () => {
  const { order, sampleLoad } = recorded();
  const run = async (side: Side) => {
    order.push(side.name);
    throw new Error('gone');
  };
  const sides = [ours, theirs].flatMap((side) => side ?? []);
  await expect(runRounds({ sides, rounds: 3, seconds: 60, sampleLoad, run })).rejects.toThrow('gone');
  expect(order).toEqual(['load', 'ours']);
});
