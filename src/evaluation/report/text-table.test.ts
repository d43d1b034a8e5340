import { expect, test } from 'vitest';
import { alignedLines, displayWidth } from './text-table.js';

test.each([
  ['abc', 3],
  ['星河', 4],
  ['é', 1],
  ['e\u0301', 1],
  ['📝', 2],
  ['（一）', 6],
  ['ｱ', 1],
  ['\ufeffa', 1],
])('%j takes %i columns', (text, width) => {
  expect(displayWidth(text)).toBe(width);
});

test('columns stand under one another whatever is in them', () => {
  const lines = alignedLines({
    columns: ['task', 'n', '公布'],
    rows: [
      ['税务师', '3', '1.00'],
      ['anatomy', '12', ''],
    ],
    textColumns: new Set([0]),
    barBefore: 2,
  });
  expect(lines).toEqual(['task      n  | 公布', '税务师    3  | 1.00', 'anatomy  12  |']);
});
