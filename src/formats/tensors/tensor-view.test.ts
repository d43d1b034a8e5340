import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import type { FileTensor } from './file-tensor.js';
import {
  everyRow,
  interleaveRows,
  isStored,
  memoryView,
  readView,
  sameBytes,
  sliceColumns,
  sliceRows,
  stackColumns,
  stackRows,
  type TensorView,
  viewOf,
} from './tensor-view.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-view-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Matrix = number[][];

/** A view beside the matrix that it must be. */
interface Pair {
  readonly view: TensorView;
  readonly matrix: Matrix;
}

/** A stored int16 matrix [rows, columns] whose bytes lie in two files, the cut anywhere. */
function stored(rows: number, columns: number, first: number, cut: number): Pair {
  const values = Array.from({ length: rows * columns }, (_, index) => (first + index) & 0x7fff);
  const bytes = Buffer.from(Int16Array.from(values).buffer);
  const at = Math.min(cut * 2, bytes.length);
  const paths = ['a', 'b'].map((name) => join(folder, `${name}-${first}-${rows}-${columns}-${cut}`));
  writeFileSync(paths[0]!, Buffer.concat([Buffer.alloc(3), bytes.subarray(0, at)]));
  writeFileSync(paths[1]!, bytes.subarray(at));
  const tensor: FileTensor = {
    name: `t${first}`,
    dtype: 'int16',
    shape: [rows, columns],
    ranges: [
      { path: paths[0]!, start: 3, end: 3 + at },
      { path: paths[1]!, start: 0, end: bytes.length - at },
    ],
  };
  const matrix = Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
  return { view: viewOf(tensor), matrix };
}

function contentOf(view: TensorView, chunkBytes?: number): Matrix {
  const bytes = Buffer.concat([...readView(view, chunkBytes)]);
  const values = Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readInt16LE(index * 2));
  const [rows = 0, columns = 0] = view.shape;
  expect(values.length).toBe(rows * columns);
  return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

const size = fc.integer({ min: 1, max: 6 });

test('cut and put together again in every way, the elements are those of the matrix', () => {
  fc.assert(
    fc.property(size, size, fc.nat(30), fc.nat(100), fc.nat(100), (rows, columns, cut, a, b) => {
      const one = stored(rows * 2, columns * 2, 0, cut);
      const two = stored(rows * 2, columns * 2, 1000, cut + 1);
      const [start, end] = [a % rows, (a % rows) + 1 + (b % rows)];
      const [left, right] = [b % columns, (b % columns) + 1 + (a % columns)];
      const pairs: Pair[] = [
        one,
        { view: sliceRows(one.view, start, end), matrix: one.matrix.slice(start, end) },
        {
          view: sliceColumns(one.view, left, right),
          matrix: one.matrix.map((row) => row.slice(left, right)),
        },
        { view: everyRow(one.view, 2, 1), matrix: one.matrix.filter((_, row) => row % 2 === 1) },
        { view: stackRows([one.view, two.view]), matrix: [...one.matrix, ...two.matrix] },
        {
          view: stackColumns([one.view, two.view]),
          matrix: one.matrix.map((row, index) => [...row, ...two.matrix[index]!]),
        },
        {
          view: interleaveRows([one.view, two.view]),
          matrix: one.matrix.flatMap((row, index) => [row, two.matrix[index]!]),
        },
        {
          view: interleaveRows([everyRow(one.view, 2, 0), everyRow(one.view, 2, 1)]),
          matrix: one.matrix,
        },
        {
          view: sliceColumns(stackColumns([everyRow(one.view, 2, 0), everyRow(two.view, 2, 0)]), left, right),
          matrix: one.matrix
            .filter((_, row) => row % 2 === 0)
            .map((row, index) => [...row, ...two.matrix[index * 2]!].slice(left, right)),
        },
      ];
      for (const { view, matrix } of pairs) {
        expect(contentOf(view), view.source).toEqual(matrix);
        expect(contentOf(view, 6), view.source).toEqual(matrix);
      }
    }),
    { numRuns: 100 },
  );
});

test('a view says what it is made of', () => {
  const { view } = stored(4, 4, 0, 3);
  expect(sliceColumns(everyRow(view, 2, 1), 0, 2).source).toBe('t0[1::2][:, 0:2]');
  expect(sliceRows(view, 0, 4)).toBe(view);
});

test('a file that became shorter is noticed', () => {
  const { view } = stored(4, 4, 0, 8);
  const tensor = viewOf({
    name: 't',
    dtype: 'int16',
    shape: [9],
    ranges: [{ path: [...view.locate(0, 2)][0]!.path, start: 3, end: 21 }],
  });
  expect(() => [...readView(tensor)]).toThrow(/ends at byte 19, within a tensor/);
});

test('equal bytes are recognised wherever they lie', () => {
  const one = stored(4, 4, 0, 3).view;
  const two = stored(4, 4, 0, 5).view;
  expect(sameBytes(one, one)).toBe(true);
  expect(sameBytes(one, two)).toBe(true);
  expect(sameBytes(one, sliceRows(two, 0, 3))).toBe(false);
  expect(sameBytes(one, stored(4, 4, 1, 3).view)).toBe(false);
});

test('content in memory is read whole, and lies in no file', () => {
  const view = memoryView('made', 'float32', [2], new Uint8Array(8));
  expect(Buffer.concat([...readView(view)])).toEqual(Buffer.alloc(8));
  expect(isStored(view)).toBe(false);
});
