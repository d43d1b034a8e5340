/** Halves of surrogate pairs, which no UTF-8 can hold, are refused wherever JSON or YAML spells them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readConfigFile } from '../../config/index.js';
import { readRecords } from '../../formats/index.js';
import { parseJsonBody } from './json-body.js';

const folder = mkdtempSync(join(tmpdir(), 'lone-surrogate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HALF = '{"a": {"b": ["x", "\\ud83d"]}}';
const PAIR = '{"a": {"b": ["x", "\\ud83d\\ude00"]}}';

test('a body', async () => {
  const limits = { depth: 9, parts: 100, values: 100 };
  expect(await parseJsonBody(Buffer.from(PAIR), limits)).toEqual({ a: { b: ['x', '😀'] } });
  await expect(parseJsonBody(Buffer.from(HALF), limits)).rejects.toThrow(/before byte 26` holds \\ud83d/);
});

test.each(['x.json', 'x.jsonl', 'array.json'])('records of %s', async (name) => {
  const path = join(folder, name);
  const read = async (text: string): Promise<unknown[]> => {
    writeFileSync(path, name === 'array.json' ? `[${text}]` : text);
    const values: unknown[] = [];
    for await (const { value } of readRecords(path)) values.push(value);
    return values;
  };
  expect(await read(PAIR)).toEqual([{ a: { b: ['x', '😀'] } }]);
  await expect(read(HALF)).rejects.toThrow(/:1: `a\.b\[1\]` holds \\ud83d, half of a surrogate pair/);
});

test('a configuration', () => {
  const path = join(folder, 'x.yaml');
  writeFileSync(path, 'a: "\\uD83D"\n');
  expect(() => readConfigFile(path)).toThrow(/`a` holds \\ud83d/);
});
