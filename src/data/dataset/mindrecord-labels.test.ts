/** MindRecord files of other programs that name the learned ids in a column of labels. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { MindRecordWriter } from '../../formats/index.js';
import { openDataset } from './open-dataset.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-labels-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

async function maskOf(columns: Record<string, number[]>): Promise<number[] | undefined> {
  return (await masksOf([columns]))[0];
}

async function masksOf(rows: Record<string, number[]>[]): Promise<number[][]> {
  files += 1;
  const path = join(folder, `f${files}.mindrecord`);
  const names = Object.keys(rows[0] ?? {});
  const writer = new MindRecordWriter(
    path,
    names.map((name) => ({ name, type: 'int64', shape: [-1] })),
  );
  for (const columns of rows)
    writer.add(Object.fromEntries(names.map((name) => [name, Int32Array.from(columns[name] ?? [])])));
  await writer.commit();
  const dataset = openDataset(path);
  const masks: number[][] = [];
  try {
    for (let row = 0; row < rows.length; row++) masks.push(Array.from((await dataset.read(row)).lossMask));
  } finally {
    dataset.close();
  }
  return masks;
}

const input_ids = [5, 6, 7, 8, 9];

test('labels at the place of their id, or one place before it', async () => {
  expect(await maskOf({ input_ids, labels: [-100, -100, 7, 8, -100] })).toEqual([0, 0, 1, 1, 0]);
  expect(await maskOf({ input_ids, labels: [-100, 7, 8, -100, -100] })).toEqual([0, 0, 1, 1, 0]);
  expect(await maskOf({ input_ids, labels: [6, 7, 8, 9, -100] })).toEqual([0, 1, 1, 1, 1]);
  expect(await maskOf({ input_ids, labels: [-100, -100, -100, -100, -100] })).toEqual([0, 0, 0, 0, 0]);
});

test('a loss mask counts where both are there, and neither means every id', async () => {
  const loss_mask = [0, 1, 0, 1, 0];
  expect(await maskOf({ input_ids, loss_mask, labels: input_ids })).toEqual(loss_mask);
  expect(await maskOf({ input_ids })).toEqual([1, 1, 1, 1, 1]);
});

test('labels of other ids, or too few, are refused', async () => {
  await expect(maskOf({ input_ids, labels: [1, 2, 3, 4, 5] })).rejects.toThrow(
    /row 0: labels must be the ids/,
  );
  await expect(maskOf({ input_ids, labels: [5, 6] })).rejects.toThrow(/row 0: labels must be the ids/);
});

test('ids that repeat fit both places: the place is that of the other rows', async () => {
  const repeated = { input_ids: [5, 5, 5, 5, 5], labels: [-100, 5, 5, -100, -100] };
  const earlier = { input_ids, labels: [-100, 7, 8, -100, -100] };
  const same = { input_ids, labels: [-100, -100, 7, 8, -100] };
  expect(await masksOf([repeated, earlier])).toEqual([
    [0, 0, 1, 1, 0],
    [0, 0, 1, 1, 0],
  ]);
  expect(await masksOf([repeated, same])).toEqual([
    [0, 1, 1, 0, 0],
    [0, 0, 1, 1, 0],
  ]);
  await expect(masksOf([earlier, same])).rejects.toThrow(/row 1: labels must be .* in all rows alike/);
});
