import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { readTensorBytes, type TensorInput } from '../tensors/file-tensor.js';
import { readTorchFile } from './torch-reader.js';
import { torchArchive } from './torch-writer.js';

const GIGABYTE = 2 ** 30;
const zeros = new Uint8Array(2 ** 26);

let path = '';
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torch-zip64-'));
  path = join(folder, 'large.bin');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function* manyZeros(bytes: number): Generator<Uint8Array, void> {
  for (let left = bytes; left > 0; left -= zeros.length) yield zeros;
}

/** A tensor above 4 GB, small ones before and behind it, and one that is large and begins beyond 4 GB. */
const tensors: TensorInput[] = [
  { name: 'before', dtype: 'uint8', shape: [3], bytes: () => new Uint8Array([1, 2, 3]) },
  { name: 'large', dtype: 'float32', shape: [5, GIGABYTE / 4], bytes: () => manyZeros(5 * GIGABYTE) },
  { name: 'behind', dtype: 'uint8', shape: [3], bytes: () => new Uint8Array([4, 5, 6]) },
  { name: 'larger', dtype: 'uint8', shape: [4 * GIGABYTE], bytes: () => manyZeros(4 * GIGABYTE) },
  { name: 'last', dtype: 'uint8', shape: [3], bytes: () => new Uint8Array([7, 8, 9]) },
];

/** Writes the file with holes for its zeros, so that it takes no room. */
function writeSparse(): void {
  const descriptor = openSync(path, 'w');
  let position = 0;
  torchArchive(tensors)((chunk) => {
    if (chunk !== zeros) writeSync(descriptor, Buffer.from(chunk), 0, null, position);
    position += chunk.length;
  });
  ftruncateSync(descriptor, position);
  closeSync(descriptor);
}

const readByTorch = `
import torch, json, os, sys, zipfile
from torch.utils.serialization import config
os.environ['TORCH_SERIALIZATION_DEBUG'] = '1'
config.load.calculate_storage_offsets = True
state = torch.load(sys.argv[1], weights_only=True, mmap=True)
names = [info.file_size for info in zipfile.ZipFile(sys.argv[1]).infolist() if '/data/' in info.filename]
small = {name: state[name].tolist() for name in ('before', 'behind', 'last')}
print(json.dumps(dict(small=small, shapes={k: list(v.shape) for k, v in state.items()}, sizes=names)))
`;

describe('torch files beyond 4 GB', () => {
  it('are zip64; we read them, and torch at the offsets that it reckons', () => {
    writeSparse();
    const read = readTorchFile(path).tensors;
    for (const [name, first] of [
      ['before', 1],
      ['behind', 4],
      ['last', 7],
    ] as const) {
      const tensor = read.get(name);
      if (tensor === undefined) throw new Error(`no ${name}`);
      expect([...readTensorBytes(tensor)]).toEqual([first, first + 1, first + 2]);
    }
    expect(read.get('large')?.shape).toEqual([5, GIGABYTE / 4]);
    const python = referencePython();
    if (python === undefined) return;
    expect(runReference(python, readByTorch, [path])).toEqual({
      small: { before: [1, 2, 3], behind: [4, 5, 6], last: [7, 8, 9] },
      shapes: Object.fromEntries(tensors.map(({ name, shape }) => [name, shape])),
      sizes: [3, 5 * GIGABYTE, 3, 4 * GIGABYTE, 3],
    });
  });
});
