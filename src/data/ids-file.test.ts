import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readIdsFile } from './ids-file.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-ids-'));
const path = join(folder, 'ids.json');
afterAll(() => rmSync(folder, { recursive: true }));

function read(content: string | object, equalLengths = true) {
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return readIdsFile(path, 10, equalLengths);
}

test('ids with and without masks', () => {
  expect(read({ input_ids: [[1, 2]] })).toEqual({
    inputIds: [[1, 2]],
    attentionMask: undefined,
    lossMask: undefined,
  });
  const whole = { input_ids: [[1, 2]], attention_mask: [[0, 1]], loss_mask: [[0, 0]] };
  expect(read(whole)).toEqual({ inputIds: [[1, 2]], attentionMask: [[0, 1]], lossMask: [[0, 0]] });
  expect(read({ input_ids: [[1, 2], [3]] }, false).inputIds).toEqual([[1, 2], [3]]);
});

test.each<[string, string | object, RegExp]>([
  ['no JSON', '{"input_ids": [[1, 2}', /ids\.json:1:2\d: not valid JSON/],
  ['another value', '[[1, 2]]', /expected a mapping/],
  ['no input_ids', {}, /input_ids: missing/],
  ['no row', { input_ids: [] }, /input_ids: expected a length of at least 1/],
  ['an empty row', { input_ids: [[1], []] }, /input_ids\.1: expected a length of at least 1/],
  ['one row without its list', { input_ids: [1, 2] }, /input_ids\.0: expected a list, got 1/],
  ['a text for an id', { input_ids: [[1, 'a']] }, /input_ids\.0\.1: .*got "a"/],
  ['a fraction', { input_ids: [[1, 1.5]] }, /input_ids\.0\.1: .*got 1\.5/],
  ['an id beyond the vocabulary', { input_ids: [[1, 10]] }, /input_ids\[0\]\[1\] is 10; .* 10 ids/],
  ['a negative id', { input_ids: [[-1]] }, /input_ids\[0\]\[0\] is -1/],
  ['rows of two lengths', { input_ids: [[1, 2], [3]] }, /input_ids\[1\] has 1 ids, input_ids\[0\] has 2/],
  [
    'an unknown key',
    { input_ids: [[1]], atention_mask: [[1]] },
    /atention_mask: unknown key.*`attention_mask`/,
  ],
  ['too few mask rows', { input_ids: [[1], [2]], loss_mask: [[1]] }, /loss_mask has 1 rows/],
  ['a short mask', { input_ids: [[1, 2]], loss_mask: [[1]] }, /loss_mask\[0\] has 1 entries/],
  [
    'a mask value',
    { input_ids: [[1, 2]], attention_mask: [[1, 2]] },
    /attention_mask\[0\]\[1\] is 2; give 0 or 1/,
  ],
  ['nothing but padding', { input_ids: [[1, 2]], attention_mask: [[0, 0]] }, /attention_mask\[0\] is all 0/],
])('refuses %s', (_, content, message) => {
  expect(() => read(content)).toThrow(message);
});
