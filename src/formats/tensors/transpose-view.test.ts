import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readRanges } from '../files/read-ranges.js';
import { dtypeBytes, type FileDtype } from './file-dtype.js';
import { readView, sliceRows, streamView, viewBytes, viewOf } from './tensor-view.js';
import { transpose } from './transpose-view.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-transpose-'));
afterAll(() => rmSync(folder, { recursive: true }));

const dtypes: readonly FileDtype[] = ['int8', 'bfloat16', 'float32', 'float64'];

test('a transpose, its rows in any order, strip by strip and element by element, is the same matrix', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 1, max: 70 }),
      fc.constantFrom(...dtypes),
      fc.boolean(),
      fc.integer(),
      (rows, columns, dtype, ordered, seed) => {
        const width = dtypeBytes(dtype);
        const bytes = Buffer.from(
          Uint8Array.from({ length: rows * columns * width }, (_, index) => (index * 31 + seed) & 0xff),
        );
        const path = join(folder, 'matrix');
        writeFileSync(path, bytes);
        const ranges = [{ path, start: 0, end: bytes.length }];
        const view = viewOf({ name: 'm', dtype, shape: [rows, columns], ranges });
        const order = Int32Array.from({ length: columns }, (_, row) => (ordered ? row : columns - 1 - row));
        const transposed = ordered ? transpose(view) : transpose(view, order);
        const expected = Buffer.concat(
          Array.from(order).flatMap((column) =>
            Array.from({ length: rows }, (_, row) => {
              const start = (row * columns + column) * width;
              return bytes.subarray(start, start + width);
            }),
          ),
        );
        expect(transposed.shape).toEqual([columns, rows]);
        expect(Buffer.concat([...readView(transposed)])).toEqual(expected);
        expect(Buffer.concat([...streamView(transposed)])).toEqual(expected);
        expect(Buffer.concat([...readRanges(transposed.locate(0, viewBytes(transposed)), 64)])).toEqual(
          expected,
        );
        const part = sliceRows(transposed, columns >> 1, columns);
        expect(Buffer.concat([...readView(part)])).toEqual(expected.subarray((columns >> 1) * rows * width));
      },
    ),
    { numRuns: 60 },
  );
});

test('a matrix wider than a strip', () => {
  const [rows, columns] = [3, 3_000_000];
  const values = Float32Array.from({ length: rows * columns }, (_, index) => index);
  const path = join(folder, 'wide');
  writeFileSync(path, Buffer.from(values.buffer));
  const view = viewOf({
    name: 'wide',
    dtype: 'float32',
    shape: [rows, columns],
    ranges: [{ path, start: 0, end: values.byteLength }],
  });
  const pieces = [...readView(transpose(view))];
  expect(pieces.length).toBeGreaterThan(1);
  const transposed = Buffer.concat(pieces);
  for (const row of [0, 1, 1_234_567, columns - 1])
    for (let column = 0; column < rows; column++)
      expect(transposed.readFloatLE((row * rows + column) * 4)).toBe(column * columns + row);
});
