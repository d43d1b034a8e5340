import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { prepareDataset } from '../prepare/prepare-dataset.js';
import type { Dataset } from './dataset.js';
import { openDataset } from './open-dataset.js';
import { RowLoader, type RowLoaderOptions } from './row-loader.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-loader-'));
let dataset: Dataset;

beforeAll(async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const input = join(folder, 'records.jsonl');
  const records = Array.from({ length: 23 }, (_, index) => ({ text: `${index} `.repeat(index + 3) }));
  writeFileSync(input, records.map((record) => JSON.stringify(record)).join('\n'));
  await prepareDataset({
    form: 'text',
    recipe: 'spark-pretrain',
    tokenizer: `${goldenFolder}tokenizers/spark_like`,
    seqLength: 15,
    inputs: [input],
    output: join(folder, 'rows'),
    packing: 'none',
    workers: 1,
  });
  dataset = openDataset(join(folder, 'rows'));
});
afterAll(() => {
  dataset.close();
  rmSync(folder, { recursive: true });
});

const loader = (options: Partial<RowLoaderOptions> = {}): RowLoader =>
  new RowLoader(dataset, { seed: 5, shuffle: true, ...options });

/** The rows of `steps` steps as texts. */
async function take(from: RowLoader, batch: number, steps: number): Promise<string[]> {
  const rows: string[] = [];
  for (let step = 0; step < steps; step++)
    rows.push(...(await from.next(batch)).rows.map(({ ids }) => Array.from(ids).join(' ')));
  return rows;
}

test('every row once an epoch, in another order each', async () => {
  const count = dataset.rowCount;
  const rows = await take(loader(), 1, 2 * count);
  const all = Array.from({ length: count }, (_, row) => dataset.row(row).ids.join(' ')).sort();
  expect(rows.slice(0, count).sort()).toEqual(all);
  expect(rows.slice(count).sort()).toEqual(all);
  const again = await take(loader(), 1, 2 * count);
  expect(again.slice(0, count)).not.toEqual(again.slice(count));
});

test('the same order on any number of ranks', async () => {
  const alone = await take(loader(), 12, 5);
  for (const ranks of [2, 3, 4]) {
    const all = Array.from({ length: ranks }, (_, rank) => loader({ rank, ranks }));
    const together: string[] = [];
    for (let step = 0; step < 5; step++)
      for (const one of all) together.push(...(await take(one, 12 / ranks, 1)));
    expect(together).toEqual(alone);
  }
});

test('goes on where it was saved, on another number of ranks too', async () => {
  const whole = await take(loader(), 4, 12);
  const first = loader();
  await take(first, 4, 5);
  const state = JSON.parse(JSON.stringify(first.state()));
  expect(state).toEqual({ position: 20, seed: 5, rows: dataset.rowCount });
  const resumed = loader();
  resumed.restore(state);
  expect(await take(resumed, 4, 7)).toEqual(whole.slice(20));
  const ranks = [0, 1].map((rank) => loader({ rank, ranks: 2 }));
  const rows: string[] = [];
  for (const one of ranks) {
    one.restore(state);
    rows.push(...(await take(one, 2, 1)));
  }
  expect(rows).toEqual(whole.slice(20, 24));
});

test('a batch of another size than the one read ahead', async () => {
  const whole = await take(loader(), 1, 9);
  const changing = loader();
  expect([
    ...(await take(changing, 4, 1)),
    ...(await take(changing, 2, 1)),
    ...(await take(changing, 3, 1)),
  ]).toEqual(whole);
});

test.each([1, 2, 3])(
  'the last batch of an epoch is smaller where it ends with it, on %i ranks',
  async (ranks) => {
    const count = dataset.rowCount;
    const options = { endsWithEpoch: true, ranks };
    const all = Array.from({ length: ranks }, (_, rank) => loader({ ...options, rank }));
    const batch = 6 / ranks;
    const steps = Math.ceil(count / 6);
    const sizes: number[] = [];
    const rows: string[] = [];
    for (let step = 0; step < 2 * steps; step++) {
      const before = rows.length;
      for (const one of all) rows.push(...(await take(one, batch, 1)));
      sizes.push(rows.length - before);
    }
    expect(count % 6).not.toBe(0);
    expect(sizes.slice(0, steps)).toEqual([...Array<number>(steps - 1).fill(6), count % 6]);
    expect(rows).toEqual(await take(loader(), 1, 2 * count));
    expect(all[0]?.state().position).toBe(2 * count);
  },
);

test('refuses a position among other rows', () => {
  expect(() => loader().restore({ position: 3, seed: 6, rows: dataset.rowCount })).toThrow(
    /with seed 6, not among/,
  );
  expect(() => loader().restore({ position: 3, seed: 5, rows: 1 })).toThrow(/one among 1 rows/);
});
