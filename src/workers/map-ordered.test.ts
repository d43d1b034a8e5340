import { expect, test } from 'vitest';
import { InputError } from '../errors/index.js';
import { mapOrdered } from './map-ordered.js';

const source = {
  url: new URL('./test-worker.js', import.meta.url),
  load: () => import('./test-worker.js'),
};

async function collect(inputs: Iterable<number>, workers: number): Promise<number[]> {
  const outputs: number[] = [];
  for await (const output of mapOrdered(source, 3, inputs, { workers })) outputs.push(output);
  return outputs;
}

test.each([1, 2, 5])('%i threads give the outputs in the order of the inputs', async (workers) => {
  const inputs = Array.from({ length: 40 }, (_, index) => index + 100);
  expect(await collect(inputs, workers)).toEqual(inputs.map((input) => input * 3));
  expect(await collect([], workers)).toEqual([]);
});

test.each([1, 2])('what the work throws arrives, %i threads', async (workers) => {
  await expect(collect([1, 13, 2], workers)).rejects.toThrow(InputError);
  await expect(collect([1, 13, 2], workers)).rejects.toThrow('13 is refused');
  await expect(collect([1, 14, 2], workers)).rejects.toThrow('a fault');
});

test('a thread that dies fails the work instead of hanging it', async () => {
  await expect(collect([1, 15, 2, 3, 4, 5, 6, 7], 2)).rejects.toThrow('ended with code 3');
});

test('inputs are read only as outputs are taken, and leaving the loop ends it', async () => {
  let read = 0;
  function* endless(): Generator<number> {
    for (;;) yield 100 + (read++ % 50);
  }
  let taken = 0;
  for await (const _ of mapOrdered(source, 1, endless(), { workers: 2 })) if (++taken === 20) break;
  expect(read).toBeLessThan(40);
});
