/** A rank reads its part of a model, and never holds much more: measured in a process of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseArchitecture, saveModel } from '../src/models/index.js';
import { initializeModule } from '../src/nn/index.js';
import { RandomGenerator } from '../src/tensor/index.js';
import { casesOf } from './support/long-suite.js';
import { xverseConfig } from './support/plan-configs.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-load-share-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MIB = 2 ** 20;
const sizes = { layers: 3, hidden: 768, intermediate: 2112, heads: 12, vocab: 12_000 };
let bytes = 0;
let largest = 0;

beforeAll(async () => {
  const architecture = parseArchitecture(xverseConfig(sizes), 'test');
  const model = architecture.createModel();
  initializeModule(model, { rule: architecture.initRule, generator: new RandomGenerator(1) });
  bytes = model.parameterCount() * 4;
  largest = Math.max(...model.namedParameters().map(([, { numBytes }]) => numBytes));
  await saveModel(folder, { model, architecture });
  model.dispose();
});

/** Memory of a process that loads a part: at its peak, beyond what it had before. */
function peakOf(place: { rank: number; size: number } | undefined): number {
  const program = `
    import { loadModel } from ${JSON.stringify(new URL('../dist/models/index.js', import.meta.url).href)};
    import { prepareRuntime, zeros } from ${JSON.stringify(new URL('../dist/tensor/index.js', import.meta.url).href)};
    prepareRuntime({ threads: 1 });
    zeros([8, 8]).matmul(zeros([8, 8]));
    const before = process.resourceUsage().maxRSS;
    const { model } = loadModel(${JSON.stringify(folder)}, { dtype: 'float32', place: ${JSON.stringify(place)} });
    let sum = 0;
    for (const [, parameter] of model.namedParameters()) sum += parameter.sum().item();
    console.log((process.resourceUsage().maxRSS - before) * 1024);
  `;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  return Number(out.trim());
}

const places: readonly [rank: number, size: number][] = [
  [0, 2],
  [1, 2],
  [3, 4],
];

test.each(casesOf(places, ([rank, size]) => rank > 0 && size === 2))('rank %i of %i', (rank, size) => {
  const peak = peakOf({ rank, size });
  console.log(
    `${(peak / MIB).toFixed(0)} MiB, share ${(bytes / size / MIB).toFixed(0)}, largest tensor ${(largest / MIB).toFixed(0)}`,
  );
  // Kernels that run for the first time, and JavaScript's heap, are no tensors.
  expect(peak).toBeLessThan(bytes / size + 2 * largest + 24 * MIB);
  expect(peak).toBeGreaterThan(bytes / size - 8 * MIB);
});

test('without a place all of it is there', () => {
  expect(peakOf(undefined)).toBeGreaterThan(bytes - 8 * MIB);
});
