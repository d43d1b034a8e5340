/** Folders of MindRecord shards, and masks of floats. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
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

test('several sets in a folder, and weights between 0 and 1, are refused by name', async () => {
  const place = join(folder, 'two');
  mkdirSync(place);
  await write(join(place, 'x.mindrecord'), Float32Array.of(0, 1, 1));
  await write(join(place, 'y.mindrecord'), Float32Array.of(0, 0.5, 1));
  expect(() => openDataset(place)).toThrow(/holds 2 MindRecord sets \(.*mindrecord/);
  expect(() => openDataset(join(place, 'y.mindrecord')).row(0)).toThrow(/row 0: loss_mask holds 0\.5/);
});
