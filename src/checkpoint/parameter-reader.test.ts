import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { everyRow, type TensorView, viewOf } from '../formats/index.js';
import { liveTensorCount, type Tensor } from '../tensor/index.js';
import { ParameterReader } from './parameter-reader.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-parameter-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ROWS = 1200;
const COLUMNS = 1000; // Rows and columns make more than one piece of 1 MiB, which ends within a row.
const valueAt = (row: number, column: number): number => ((row * 31 + column) % 251) - 125;

function matrix(): TensorView {
  const values = Float32Array.from({ length: ROWS * COLUMNS }, (_, at) =>
    valueAt(Math.floor(at / COLUMNS), at % COLUMNS),
  );
  const path = join(folder, 'matrix');
  writeFileSync(path, Buffer.from(values.buffer));
  const ranges = [{ path, start: 0, end: values.byteLength }];
  return viewOf({ name: 'w', dtype: 'float32', shape: [ROWS, COLUMNS], ranges });
}

test.each(['float32', 'bfloat16'] as const)('a view that is gathered from many places, as %s', (dtype) => {
  const reader = new ParameterReader();
  const before = liveTensorCount();
  const read = reader.read(everyRow(matrix(), 2, 1), { dtype });
  expect(liveTensorCount()).toBe(before + 1);
  expect([read.dtype, read.shape]).toEqual([dtype, [ROWS / 2, COLUMNS]]);
  const expected = Array.from({ length: (ROWS / 2) * COLUMNS }, (_, at) =>
    valueAt(2 * Math.floor(at / COLUMNS) + 1, at % COLUMNS),
  );
  const values = (tensor: Tensor): number[] => tensor.to('float32').reshape([-1]).toArray();
  expect(values(read)).toEqual(expected);
  read.dispose();
  reader.dispose();
});
