/** Which tensor goes into which file. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TensorInput } from './file-tensor.js';
import { writeShards } from './sharded-writer.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shards-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const tensor = (name: string, bytes: number): TensorInput => ({
  name,
  dtype: 'uint8',
  shape: [bytes],
  bytes: () => new Uint8Array(bytes),
});

/** The names in each file that was written. */
function split(sizes: readonly number[], maxShardBytes: number): string[][] {
  const shards: string[][] = [];
  writeShards(
    folder,
    sizes.map((bytes, index) => tensor(`t${index}`, bytes)),
    'model.bin',
    (path, tensors) => {
      shards.push(tensors.map(({ name }) => name));
      writeFileSync(path, '');
    },
    { maxShardBytes },
  );
  return shards;
}

test('a file is filled up to the limit and not beyond', () => {
  expect(split([4, 4, 2, 1], 10)).toEqual([['t0', 't1', 't2'], ['t3']]);
  expect(readdirSync(folder)).toEqual([
    'model-00001-of-00002.bin',
    'model-00002-of-00002.bin',
    'model.bin.index.json',
  ]);
  expect(JSON.parse(readFileSync(join(folder, 'model.bin.index.json'), 'utf8'))).toEqual({
    metadata: { total_size: 11 },
    weight_map: {
      t0: 'model-00001-of-00002.bin',
      t1: 'model-00001-of-00002.bin',
      t2: 'model-00001-of-00002.bin',
      t3: 'model-00002-of-00002.bin',
    },
  });
});

test('a tensor beyond the limit has a file of its own, the first one too', () => {
  expect(split([30, 1, 2, 30, 3], 10)).toEqual([['t0'], ['t1', 't2'], ['t3'], ['t4']]);
});

test('what fits is one file without an index', () => {
  expect(split([5, 5], 10)).toEqual([['t0', 't1']]);
  expect(readdirSync(folder)).toEqual(['model.bin']);
});

test('after a failure no file is left', () => {
  const write = (path: string): void => {
    if (readdirSync(folder).length === 1) throw new RangeError('broken');
    writeFileSync(path, '');
  };
  const tensors = [tensor('a', 6), tensor('b', 6)];
  expect(() => writeShards(folder, tensors, 'model.bin', write, { maxShardBytes: 10 })).toThrow('broken');
  expect(readdirSync(folder)).toEqual([]);
});
