/** When a machine counts as quiet, and how it is waited for. */
import { expect, test } from 'vitest';
import { hardwareName } from './hardware-name.js';
import { describeQuiet, isQuiet, type LoadSample, sampleLoad, waitForQuiet } from './machine-load.js';

const sample = (load: number, busyCores: number): LoadSample => ({ load, busyCores });

test.each([
  [sample(0.1, 0.02), true],
  // Our own last run is still in the average.
  [sample(2.1, 0.02), true],
  [sample(0.1, 0.9), false],
  [sample(3.1, 0.02), false],
])('%j of two cores is quiet: %s', (seen, quiet) => expect(isQuiet(seen, 2)).toBe(quiet));

test('the noisiest sample is what is told', () => {
  expect(describeQuiet([sample(0.4, 0.05), sample(0.6, 0.01)], 2)).toBe(
    'quiet: yes, load 0.6, others on 0.05 of 2 cores',
  );
  expect(describeQuiet([sample(0.4, 0), sample(3.14, 1)], 2)).toBe(
    'quiet: no, load 3.1, others on 1.00 of 2 cores',
  );
  expect(describeQuiet([], 2)).toMatch(/^quiet: no/);
});

test('a sample is of this machine', async () => {
  const { load, busyCores } = await sampleLoad(50);
  expect(load).toBeGreaterThanOrEqual(0);
  expect(busyCores).toBeGreaterThanOrEqual(0);
});

test('quiet is waited for, and not longer than allowed', async () => {
  const loads = [sample(9, 2), sample(9, 1), sample(1, 0), sample(9, 2)];
  const seen: LoadSample[] = [];
  const take = async (): Promise<LoadSample> => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return loads.shift() ?? sample(9, 2);
  };
  const options = { cores: 2, sample: take, onWait: (each: LoadSample) => seen.push(each) };
  expect(await waitForQuiet({ ...options, seconds: 60 })).toEqual(sample(1, 0));
  expect(seen).toHaveLength(2);
  expect(isQuiet(await waitForQuiet({ ...options, seconds: 0.02 }), 2)).toBe(false);
  expect(seen.length).toBeLessThan(12);
});

test.each([
  ['Intel(R) Xeon(R) Processor @ 2.80GHz', 2, 'AVX512', 'intel-xeon-2-cores-avx512'],
  ['AMD EPYC 9B45 128-Core Processor', 2, 'AVX2', 'amd-epyc-2-cores-avx2'],
  ['Apple M2 Pro', 10, 'NO AVX', 'apple-m2-10-cores-no avx'],
  ['', 1, 'DEFAULT', '1-core-default'],
])('%s is %d cores of %s: %s', (model, cores, capability, name) => {
  expect(hardwareName(model, cores, capability)).toBe(name.replaceAll(' ', '-'));
});
