import { describe, expect, test } from 'vitest';
import { concatenateDocuments, packSamples, type Row, separateSamples } from './rows.js';

function sample(length: number, first = 0): Row {
  const ids = Array.from({ length }, (_, index) => first + index);
  return { ids, lossMask: ids.map((id) => id % 2) };
}

const lengths = (rows: readonly Row[]): number[] => rows.map(({ ids }) => ids.length);

describe('concatenateDocuments', () => {
  const documents = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10]];

  test('cuts the joined documents, end ids between them; the last row is shorter', () => {
    const rows = concatenateDocuments(documents, 5, 0);
    expect(rows.map(({ ids }) => Array.from(ids))).toEqual([
      [1, 2, 3, 0, 4],
      [0, 5, 6, 7, 8],
      [9, 10, 0],
    ]);
    expect(
      rows.every(({ ids, lossMask }) => Array.from(lossMask).join() === Array.from(ids, () => 1).join()),
    ).toBe(true);
    expect(rows.map(({ documents }) => documents)).toEqual([[4, 1], [1, 4], [3]]);
  });

  test('joins without an end id where there is none', () => {
    expect(concatenateDocuments(documents, 5, undefined).flatMap(({ ids }) => Array.from(ids))).toEqual(
      documents.flat(),
    );
  });

  test('leaves out a last row of one id, which predicts nothing', () => {
    expect(lengths(concatenateDocuments([[1, 2, 3, 4, 5, 6]], 5, undefined))).toEqual([5]);
    expect(concatenateDocuments([], 5, 0)).toEqual([]);
  });

  test('takes a document of any length', () => {
    const rows = concatenateDocuments([new Array<number>(300_000).fill(7)], 1024, 0);
    expect(rows.reduce((sum, { ids }) => sum + ids.length, 0)).toBe(300_001);
  });
});

describe('packSamples', () => {
  test('fills rows in order, keeps the last one, and reports what no row can hold', () => {
    const { rows, tooLong } = packSamples(
      [4, 3, 2, 11, 9, 1].map((length) => sample(length)),
      10,
    );
    expect(lengths(rows)).toEqual([9, 10]);
    expect(tooLong).toEqual([{ sample: 3, tokens: 11 }]);
  });

  test('keeps every id beside its mask', () => {
    const samples = [sample(4, 10), sample(3, 20), sample(5, 30)];
    const { rows } = packSamples(samples, 8);
    const all = (some: readonly Row[]) => some.flatMap(({ ids }) => Array.from(ids));
    expect(all(rows)).toEqual(all(samples));
    for (const { ids, lossMask } of rows) expect(lossMask).toEqual(Array.from(ids, (id) => id % 2));
    expect(rows.map(({ documents }) => documents)).toEqual([[4, 3], [5]]);
  });

  test('takes samples of any length', () => {
    expect(lengths(packSamples([sample(200_000), sample(200_000)], 400_000).rows)).toEqual([400_000]);
  });
});

test('separateSamples gives one row to each', () => {
  const { rows, tooLong } = separateSamples([sample(4), sample(6), sample(5)], 5);
  expect(lengths(rows)).toEqual([4, 5]);
  expect(tooLong).toEqual([{ sample: 1, tokens: 6 }]);
});
