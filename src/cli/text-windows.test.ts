import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TINY_VOCABULARY, writeTinyModel } from '../../tests/support/tiny-model.js';
import { readTextWindows } from './text-windows.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-windows-'));
let model = '';
beforeAll(async () => {
  model = await writeTinyModel();
});
afterAll(() => {
  for (const folder of [root, dirname(model)]) rmSync(folder, { recursive: true, force: true });
});

function file(name: string, content: unknown): string {
  const path = join(root, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const read = (path: string, tokens = 1000): Promise<number[][]> =>
  readTextWindows(path, { model, length: 16, tokens });
const row = (length: number, first = 1): number[] => Array.from({ length }, (_, place) => first + place);

test('ids are cut to the window; as many rows as the tokens allow, but one', async () => {
  const ids = file('ids.json', { input_ids: [row(20), row(20, 5), row(20, 9)] });
  expect(await read(ids)).toEqual([row(16), row(16, 5), row(16, 9)]);
  expect(await read(ids, 40)).toEqual([row(16), row(16, 5)]);
  expect(await read(ids, 3)).toEqual([row(16)]);
  // Short rows count by what they hold, not by the window.
  const short = file('short.json', { input_ids: [row(4), row(4, 5), row(4, 9)] });
  expect(await read(short, 12)).toHaveLength(3);
});

test('records are joined and cut; the rest that fills no window is left', async () => {
  const text = file(
    'text.jsonl',
    Array.from({ length: 30 }, () => JSON.stringify({ text: 'a text of some words' })).join('\n'),
  );
  const windows = await read(text, 48);
  expect(windows).toHaveLength(3);
  expect(windows.every(({ length }) => length === 16)).toBe(true);
});

test.each([
  ['too short', 'few.jsonl', '{"text": "one"}', /few\.jsonl: \d+ tokens of "text", and one window has 16/],
  [
    'of another vocabulary',
    'other.json',
    { input_ids: [[1, TINY_VOCABULARY]] },
    /input_ids\[0\]\[1\] is \d+; the vocabulary has/,
  ],
  [
    'with rows of different lengths',
    'uneven.json',
    { input_ids: [row(4), row(5)] },
    /has 5 ids, input_ids\[0\] has 4/,
  ],
  [
    'with padding',
    'padded.json',
    { input_ids: [row(2)], attention_mask: [[0, 1]] },
    /attention_mask\[0\] marks padding/,
  ],
  ['without a prediction', 'one.json', { input_ids: [[1]] }, /rows of 1 ids predict nothing/],
] as const)('a file %s is refused', async (_, name, content, message) => {
  await expect(read(file(name, content))).rejects.toThrow(message);
});
