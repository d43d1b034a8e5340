import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { dtypeBytes, elementCount, type FileDtype } from '../tensors/file-dtype.js';
import { readTensorBytes } from '../tensors/file-tensor.js';
import { readCkptFile } from './ckpt-reader.js';
import { writeCkptFile } from './ckpt-writer.js';

const python = referencePython();

const SHAPES: readonly [FileDtype, readonly number[]][] = [
  ['float64', [3]],
  ['float32', [2, 3]],
  ['float16', [4, 1, 2]],
  ['bfloat16', [5]],
  ['int64', []],
  ['int32', [7]],
  ['int16', [2]],
  ['int8', [2, 2]],
  ['uint64', [1]],
  ['uint32', [2]],
  ['uint16', [3]],
  ['uint8', [1025]],
  ['bool', [6]],
];

const tensors = SHAPES.map(([dtype, shape], seed) => {
  const length = elementCount([...shape, dtypeBytes(dtype)]) ?? 0;
  // Bools are 0 and 1; the floats stay clear of NaN, whose bits need not survive a copy.
  const content = Buffer.from(
    Array.from({ length }, (_, index) => (dtype === 'bool' ? index % 2 : (index * 37 + seed) % 100)),
  );
  return { name: `层.${dtype}`, dtype, shape, content, bytes: () => content };
});

interface Loaded {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly hex: string;
}

/** Loads each file named, prints {file: {name: …}}; saves the first as `theirs` in its last argument's folder. */
const PROGRAM = `
import sys, json, numpy as np, mindspore as ms
def show(p):
    t = p.asnumpy() if p.dtype != ms.bfloat16 else None
    raw = p.get_bytes() if t is None else t.tobytes()
    return {"dtype": str(p.dtype).lower(), "shape": list(p.shape), "hex": raw.hex()}
*files, folder = sys.argv[1:]
loaded = {f: ms.load_checkpoint(f, crc_check=True) for f in files}
first = loaded[files[0]]
ms.save_checkpoint([{"name": k, "data": v} for k, v in first.items()], folder + "/theirs.ckpt", crc_check=True,
                   append_dict={"epoch_num": 3, "lr": 0.5, "flag": True, "note": "héllo 星"})
print(json.dumps([{k: show(v) for k, v in d.items()} for d in loaded.values()]))
`;

import { requiresPython } from '../../../tests/support/requires.js';

describe('MindSpore and our checkpoints', requiresPython(python), () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ckpt-reference-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('reads what we write, sliced tensors and CRC included; we read what it writes', () => {
    const [whole, sliced] = ['whole', 'sliced'].map((name) => join(folder, `${name}.ckpt`));
    if (python === undefined || whole === undefined || sliced === undefined) throw new Error('no reference');
    writeCkptFile(whole, tensors, { crc: true });
    writeCkptFile(sliced, tensors, { sliceBytes: 16 });
    const loaded = runReference<Record<string, Loaded>[]>(python, PROGRAM, [whole, sliced, folder]);
    expect(loaded).toHaveLength(2);
    for (const file of loaded) {
      expect(Object.keys(file)).toEqual(tensors.map(({ name }) => name));
      for (const { name, dtype, shape, content } of tensors)
        expect({ name, ...file[name] }).toEqual({ name, dtype, shape, hex: content.toString('hex') });
    }

    const theirs = readCkptFile(join(folder, 'theirs.ckpt'), { verifyCrc: true });
    expect(theirs.crc).toBeDefined();
    for (const { name, dtype, shape, content } of tensors) {
      const tensor = theirs.tensors.get(name);
      expect(tensor, name).toMatchObject({ dtype, shape });
      if (tensor !== undefined) expect(Buffer.compare(readTensorBytes(tensor), content), name).toBe(0);
    }
    expect(theirs.tensors.get('epoch_num')).toMatchObject({ dtype: 'int64', shape: [] });
    expect(theirs.tensors.get('flag')).toMatchObject({ dtype: 'bool', shape: [] });
    expect([...theirs.texts]).toEqual([['note', 'héllo 星']]);
  });
});
