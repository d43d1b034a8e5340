/** Folders and lists of MindRecord sets, and masks of floats. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MindRecordWriter } from '../../formats/index.js';
import { openDataset } from './open-dataset.js';

const folder = mkdtempSync(join(tmpdir(), 'mindrecord-folder-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function write(path: string, mask: Float32Array): Promise<void> {
  const writer = new MindRecordWriter(path, [
    { name: 'input_ids', type: 'int64', shape: [-1] },
    { name: 'loss_mask', type: 'float32', shape: [-1] },
  ]);
  writer.add({ input_ids: Int32Array.of(1, 2, 3), loss_mask: mask });
  await writer.commit();
}

test('a folder with one set is that set; a mask of floats is one', async () => {
  const place = join(folder, 'one');
  mkdirSync(place);
  await write(join(place, 'x.mindrecord'), Float32Array.of(0, 1, 1));
  const dataset = openDataset(place);
  expect(dataset.rowCount).toBe(1);
  expect([...dataset.row(0).lossMask]).toEqual([0, 1, 1]);
  dataset.close();
});

async function writeRows(
  path: string,
  rows: readonly number[],
  column = 'loss_mask',
  shards = 1,
): Promise<void> {
  const writer = new MindRecordWriter(
    path,
    [
      { name: 'input_ids', type: 'int64', shape: [-1] },
      { name: column, type: 'int64', shape: [-1] },
    ],
    { shards, headerBytes: 2 ** 14, pageBytes: 2 ** 15 },
  );
  for (const row of rows) {
    const ids = Int32Array.from({ length: row }, () => row);
    writer.add({ input_ids: ids, [column]: column === 'labels' ? ids : ids.map((_, at) => at % 2) });
  }
  await writer.commit();
}

/** First id of every row, as trained on. */
async function firstIds(path: string | readonly string[]): Promise<(number | undefined)[]> {
  const dataset = openDataset(path);
  try {
    const ids: (number | undefined)[] = [];
    for (let row = 0; row < dataset.rowCount; row++) {
      const read = await dataset.read(row);
      expect(Array.from(read.lossMask)).toEqual(Array.from(read.ids, (_, at) => at % 2));
      expect([...dataset.row(row).ids]).toEqual(Array.from(read.ids));
      ids.push(read.ids[0]);
    }
    expect(dataset.phases).toEqual([ids.length]);
    expect(() => dataset.row(ids.length)).toThrow(RangeError);
    return ids;
  } finally {
    dataset.close();
  }
}

describe('several sets', () => {
  const place = join(folder, 'several');
  const at = (name: string): string => join(place, name);
  beforeAll(async () => {
    mkdirSync(place);
    await writeRows(at('b.mindrecord'), [2, 3]);
    await writeRows(at('a.mindrecord'), [5, 9, 7], 'loss_mask', 2);
    await writeRows(at('c.mindrecord'), [4]);
  });

  // Two shards hold every other row: MindDataset reads the rows of one after those of the other.
  test('of a folder come one after the other, by name; of a list, in its order', async () => {
    expect(await firstIds(place)).toEqual([5, 7, 9, 2, 3, 4]);
    expect(await firstIds([at('c.mindrecord'), at('a.mindrecord0'), at('b.mindrecord')])).toEqual([
      4, 5, 7, 9, 2, 3,
    ]);
    expect(await firstIds([at('c.mindrecord')])).toEqual([4]);
    const dataset = openDataset(place);
    expect(dataset.rowLength).toBe(9);
    expect(dataset.parts?.map(({ rowCount }) => rowCount)).toEqual([3, 2, 1]);
    dataset.close();
    const x = join(folder, 'x.mindrecord');
    await writeRows(x, [6]);
    expect(await firstIds([x, place])).toEqual([6, 5, 7, 9, 2, 3, 4]);
  });

  test('all shards of a set are one, whatever stands between them', async () => {
    const paths = [at('a.mindrecord1'), at('b.mindrecord'), at('a.mindrecord0')];
    expect(await firstIds(paths)).toEqual([5, 7, 9, 2, 3]);
  });

  test('are refused where one is given twice, is missing, or has other columns', async () => {
    expect(() => openDataset([at('b.mindrecord'), `${place}/./b.mindrecord`])).toThrow(
      /b\.mindrecord is given twice/,
    );
    expect(() => openDataset([at('b.mindrecord'), at('d.mindrecord')])).toThrow(
      /d\.mindrecord does not exist/,
    );
    expect(() => openDataset([])).toThrow(/list of datasets is empty/);
    // A folder in a list stands for its sets.
    expect(() => openDataset([at('b.mindrecord'), place])).toThrow(/b\.mindrecord is given twice/);
    const other = join(folder, 'other');
    mkdirSync(other);
    await writeRows(join(other, 'x.mindrecord'), [2]);
    await writeRows(join(other, 'y.mindrecord'), [2], 'labels');
    expect(() => openDataset(other)).toThrow(
      /x\.mindrecord and .*y\.mindrecord have different columns: .*y\.mindrecord has no loss_mask/,
    );
    expect(() => openDataset([place, join(other, 'y.mindrecord')])).toThrow(/have different columns/);
  });

  test('of which some shards are named and some are not are refused', async () => {
    const parts = join(folder, 'parts');
    mkdirSync(parts);
    await writeRows(join(parts, 'x.mindrecord'), [2, 3, 4, 5, 6], 'loss_mask', 3);
    const paths = [0, 2].map((shard) => join(parts, `x.mindrecord${shard}`));
    expect(() => openDataset(paths)).toThrow(/x\.mindrecord1 is missing in the list: 2 of the 3 shards/);
  });
});

test('weights between 0 and 1 are refused by name', async () => {
  const place = join(folder, 'weights');
  mkdirSync(place);
  await write(join(place, 'y.mindrecord'), Float32Array.of(0, 0.5, 1));
  expect(() => openDataset(join(place, 'y.mindrecord')).row(0)).toThrow(/row 0: loss_mask holds 0\.5/);
});
