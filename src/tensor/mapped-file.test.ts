import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { liveTensorCount, MappedFile, scope } from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-mapped-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'numbers.bin');
writeFileSync(path, Float32Array.of(1, 2, 3, 4, 5, 6));

describe('MappedFile', () => {
  it('tensors lie in the mapping, without a copy', () =>
    scope(() => {
      const file = new MappedFile(path);
      const all = file.tensor(0, [6], 'float32');
      const tail = file.tensor(8, [2, 2], 'float32');
      expect(tail.toArray()).toEqual([3, 4, 5, 6]);
      expect(tail.storageAddress - all.storageAddress).toBe(8);
      file.dispose();
      file.dispose();
      expect(all.toArray()).toEqual([1, 2, 3, 4, 5, 6]); // the mapping lives on with its tensors
    }));

  it('writing changes neither the file nor another mapping', () =>
    scope(() => {
      const file = new MappedFile(path);
      file.tensor(0, [6], 'float32').fill_(9);
      file.dispose();
      expect(new Float32Array(new Uint8Array(readFileSync(path)).buffer)[0]).toBe(1);
    }));

  it('an offset that is not aligned for the dtype is copied', () =>
    scope(() => {
      writeFileSync(
        join(folder, 'odd.bin'),
        Buffer.concat([Buffer.alloc(1), Buffer.from(Float64Array.of(7).buffer)]),
      );
      const file = new MappedFile(join(folder, 'odd.bin'));
      expect(file.tensor(1, [1], 'float64').item()).toBe(7);
      expect(file.tensor(1, [8], 'uint8').shape).toEqual([8]);
      file.dispose();
    }));

  it.each([
    [0, [7]],
    [21, [1]],
    [25, []],
    [-4, [1]],
    [0.5, [1]],
    [1e300, [1]],
    [0, [-1]],
    [0, [2 ** 40, 2 ** 40]],
    [0, [2 ** 62, 4, 0]],
  ])('refuses offset %d with shape %j', (offset, shape) => {
    const file = new MappedFile(path);
    expect(() => file.tensor(offset, shape, 'float32')).toThrow(
      /outside the file of 24 bytes|integer|no memory/,
    );
    file.dispose();
  });

  it('an empty file holds only empty tensors', () =>
    scope(() => {
      writeFileSync(join(folder, 'empty.bin'), '');
      const file = new MappedFile(join(folder, 'empty.bin'));
      expect(file.tensor(0, [0, 3], 'float32').shape).toEqual([0, 3]);
      expect(() => file.tensor(0, [], 'uint8')).toThrow(/outside the file of 0 bytes/);
      file.dispose();
      expect(() => file.tensor(0, [0], 'uint8')).toThrow(/disposed/);
    }));

  it('names a file that cannot be opened or mapped', () => {
    expect(() => new MappedFile(join(folder, 'absent.bin'))).toThrow(
      /absent\.bin: cannot be opened \(No such file/,
    );
    expect(() => new MappedFile(folder)).toThrow(/cannot be mapped|is a folder|cannot be opened/);
  });

  it('leaves no tensor behind', () => {
    const before = liveTensorCount();
    scope(() => {
      const file = new MappedFile(path);
      file.tensor(0, [2], 'int64');
      file.dispose();
    });
    expect(liveTensorCount()).toBe(before);
    truncateSync(path, 24);
  });
});
