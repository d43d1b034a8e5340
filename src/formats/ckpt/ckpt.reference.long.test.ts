import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { readRanges } from '../files/read-ranges.js';
import { copyOf } from '../tensors/file-tensor.js';
import { readCkptFile } from './ckpt-reader.js';
import { writeCkptFile } from './ckpt-writer.js';

const python = referencePython();

/** Loads the first file, saves it as the second. */
const PROGRAM = `
import sys, json, mindspore as ms
ours, theirs = sys.argv[1:]
loaded = ms.load_checkpoint(ours, crc_check=True)
ms.save_checkpoint([{"name": k, "data": v} for k, v in loaded.items()], theirs, crc_check=True)
print(json.dumps({k: list(v.shape) for k, v in loaded.items()}))
`;

import { requiresPython } from '../../../tests/support/requires.js';

function hashOf(path: string): string {
  const hash = createHash('sha256');
  for (const piece of readRanges([{ path, start: 0, end: statSync(path).size }], 2 ** 24)) hash.update(piece);
  return hash.digest('hex');
}

describe('a tensor above 512 MiB', requiresPython(python), () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ckpt-large-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is cut as MindSpore cuts it: its file and ours are equal', () => {
    if (python === undefined) return;
    const [ours, theirs, copied] = ['ours', 'theirs', 'copied'].map((name) => join(folder, `${name}.ckpt`));
    if (ours === undefined || theirs === undefined || copied === undefined) throw new Error('no paths');
    const bytes = 2 ** 29 + 1001 * 4;
    function* content(): Generator<Uint8Array> {
      const piece = Buffer.alloc(2 ** 20);
      for (let at = 0; at < bytes; at += piece.length) {
        piece.fill(at / piece.length);
        yield piece.subarray(0, bytes - at);
      }
    }
    const big = { name: 'big', dtype: 'int32', shape: [bytes / 4], bytes: content } as const;
    const small = { name: 'small', dtype: 'int8', shape: [2], bytes: () => Uint8Array.of(1, 2) } as const;
    writeCkptFile(ours, [small, big], { crc: true });
    const shapes = runReference<Record<string, number[]>>(python, PROGRAM, [ours, theirs]);
    expect(shapes).toEqual({ small: [2], big: [bytes / 4] });
    const file = readCkptFile(theirs, { verifyCrc: true });
    expect(file.tensors.get('big')?.ranges).toHaveLength(2);
    const expected = hashOf(ours);
    expect(hashOf(theirs)).toBe(expected);
    writeCkptFile(
      copied,
      [...file.tensors.values()].map((tensor) => copyOf(tensor)),
      { crc: true },
    );
    expect(hashOf(copied)).toBe(expected);
  });
});
