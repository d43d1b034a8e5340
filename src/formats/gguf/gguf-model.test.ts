import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import type { GgufValue } from './gguf-metadata.js';
import { openGgufModel } from './gguf-model.js';
import { writeGgufFile } from './gguf-writer.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-gguf-model-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Part {
  readonly no?: number;
  readonly count?: number;
  readonly total?: number;
  readonly tensor?: string;
}

/** As llama-gguf-split writes it: the first part has the model's keys, each its number. */
function writePart(path: string, number: number, { no = number, count = 3, total = 3, tensor }: Part = {}) {
  const keys: [string, GgufValue][] = [
    ['split.no', { type: 'uint16', value: no }],
    ['split.count', { type: 'uint16', value: count }],
    ['split.tensors.count', { type: 'int32', value: total }],
  ];
  if (number === 0) keys.unshift(['general.architecture', { type: 'string', value: 'llama' }]);
  writeGgufFile(path, new Map(keys), [
    { name: tensor ?? `t${number}`, dtype: 'float32', shape: [1], bytes: () => new Uint8Array(4) },
  ]);
}

function partFolder(name: string, parts: readonly Part[] = [{}, {}, {}]): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [number, part] of parts.entries()) writePart(join(path, partName(number)), number, part);
  return path;
}

const partName = (number: number): string => `model-q4-0000${number + 1}-of-00003.gguf`;

test('a model in parts is opened by any of them, or by their folder', () => {
  const path = partFolder('parts');
  for (const named of [path, ...[0, 1, 2].map((number) => join(path, partName(number)))]) {
    const model = openGgufModel(named);
    expect(model.path).toBe(join(path, partName(0)));
    expect(model.files).toHaveLength(3);
    expect([...model.tensors.keys()]).toEqual(['t0', 't1', 't2']);
    expect(model.metadata.get('general.architecture')).toEqual({ type: 'string', value: 'llama' });
  }
});

test.each([
  [[0], 'one is missing: model-q4-00001-of-00003.gguf'],
  [[1], 'one is missing: model-q4-00002-of-00003.gguf'],
  [[0, 2], '2 are missing: model-q4-00001-of-00003.gguf, model-q4-00003-of-00003.gguf'],
])('without the parts %j these are named', (missing, message) => {
  const path = partFolder(`without-${missing.join('-')}`);
  for (const number of missing) rmSync(join(path, partName(number)));
  expect(() => openGgufModel(path)).toThrow(InputError);
  expect(() => openGgufModel(path)).toThrow(message);
});

test.each([
  ['a part of another number', [{}, { no: 2 }, {}], 'says that it is part 3 of 3'],
  ['a part of another model', [{}, { count: 4 }, {}], 'says that it is part 2 of 4'],
  ['a tensor twice', [{}, { tensor: 't0' }, {}], 'tensor "t0" lies in an earlier part'],
  ['too few tensors', [{ total: 7 }, {}, {}], '7 tensors are claimed'],
])('%s is refused', (what, parts, message) => {
  const path = partFolder(what.replaceAll(' ', '-'), parts);
  const open = () => openGgufModel(join(path, partName(0)));
  expect(open).toThrow(InputError);
  expect(open).toThrow(message);
});

test('a part that was renamed, or claims a million others, is refused', () => {
  const path = partFolder('renamed');
  renameSync(join(path, partName(1)), join(path, 'second.gguf'));
  expect(() => openGgufModel(join(path, 'second.gguf'))).toThrow('is part 2 of 3; the others are found by');
  const wild = join(path, 'wild.gguf');
  writeGgufFile(wild, new Map([['split.count', { type: 'uint32', value: 1e6 }]]), []);
  expect(() => openGgufModel(wild)).toThrow('no model has more than 4096 parts');
  writeGgufFile(wild, new Map([['split.count', { type: 'string', value: 'x' }]]), []);
  expect(() => openGgufModel(wild)).toThrow('split.count must be a count');
});

test('a folder of two models, or of none, says what it holds', () => {
  const path = partFolder('two');
  writeFileSync(join(path, 'other.gguf'), '');
  expect(() => openGgufModel(path)).toThrow('name the file that is meant');
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  expect(() => openGgufModel(empty)).toThrow('holds no .gguf file');
});
