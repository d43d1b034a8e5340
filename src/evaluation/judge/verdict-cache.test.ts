/** The file of what judges wrote: lines that broke off, files that are something else, two runs at once. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { VerdictCache } from './verdict-cache.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-verdicts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('made with the first line, in a folder that is made; read again, also behind a line that broke off', () => {
  const path = join(folder, 'deep', 'cache.jsonl');
  const first = new VerdictCache(path);
  expect(existsSync(path)).toBe(false);
  first.add('a', ['one', 'two']);
  first.close();
  appendFileSync(path, '{"key":"b","tex');
  const second = new VerdictCache(path);
  expect(second.get('a')).toEqual(['one', 'two']);
  expect(second.get('b')).toBeUndefined();
  second.add('b', ['three']);
  second.close();
  const third = new VerdictCache(path);
  expect([third.get('a'), third.get('b')]).toEqual([['one', 'two'], ['three']]);
  expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(3);
});

test('two runs share a file', () => {
  const path = join(folder, 'shared.jsonl');
  const [one, other] = [new VerdictCache(path), new VerdictCache(path)];
  one.add('a', ['x']);
  other.add('b', ['y']);
  one.add('c', ['z']);
  one.close();
  other.close();
  const read = new VerdictCache(path);
  expect(['a', 'b', 'c'].map((key) => read.get(key))).toEqual([['x'], ['y'], ['z']]);
});

test('a file of something else, and a folder, are refused and left alone', () => {
  const path = join(folder, 'mine.jsonl');
  writeFileSync(path, '{"id":1}\n{"id":2}\n');
  expect(() => new VerdictCache(path)).toThrow(/mine\.jsonl holds no line/);
  expect(readFileSync(path, 'utf8')).toBe('{"id":1}\n{"id":2}\n');
  expect(() => new VerdictCache(folder)).toThrow(/is no file/);
});
