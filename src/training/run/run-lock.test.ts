import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lockRun } from './run-lock.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'run.lock');

test('a folder that a living process trains into is refused, a dead one is taken over', () => {
  const unlock = lockRun(folder);
  expect(existsSync(file)).toBe(true);
  unlock();
  expect(existsSync(file)).toBe(false);
  writeFileSync(file, `${hostname()} ${process.ppid}\n`);
  expect(() => lockRun(folder)).toThrow(/process \d+ on .* is training into this folder/);
  writeFileSync(file, 'another-machine 17\n');
  expect(() => lockRun(folder)).toThrow(/process 17 on another-machine/);
  // Process numbers end at 2^22 on Linux.
  writeFileSync(file, `${hostname()} ${2 ** 22 + 1}\n`);
  lockRun(folder)();
  expect(existsSync(file)).toBe(false);
});
