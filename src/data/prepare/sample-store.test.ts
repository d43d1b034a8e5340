import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { SampleStore } from './sample-store.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ['all in memory', 2 ** 26],
  ['partly in a file', 2000],
  ['all in a file', 0],
])('gives back what was added, in any order: %s', (_, memoryWords) => {
  const store = new SampleStore(join(folder, 'samples'), memoryWords);
  const samples: Int32Array[] = [];
  for (let task = 0; task < 40; task++) {
    const added = Array.from({ length: 5 }, (_, index) =>
      Int32Array.from(
        { length: (task * 31 + index * 57) % 200 },
        (_, place) => task * 1000 + index * 200 + place,
      ),
    );
    samples.push(...added);
    store.add(
      {
        words: Int32Array.from(added.flatMap((words) => [...words])),
        lengths: Uint32Array.from(added, ({ length }) => length),
        nominalLengths: undefined,
      },
      added.map((_, index) => ({ file: task, line: index + 1 })),
    );
  }
  expect(readdirSync(folder)).toEqual([]);
  const check = (sample: number): void => {
    const words = samples[sample] ?? new Int32Array();
    const from = Math.min(3, words.length);
    const target = new Int32Array(words.length - from + 2).fill(-1);
    store.read(sample, from, words.length - from, target, 1);
    expect([...target]).toEqual([-1, ...words.subarray(from), -1]);
  };
  for (let sample = 0; sample < samples.length; sample++) check(sample);
  for (let step = 0; step < 500; step++) check((step * 7919) % samples.length);
  expect(store.count).toBe(200);
  expect([store.files[7], store.lines[7]]).toEqual([1, 3]);
  store.dispose();
});
