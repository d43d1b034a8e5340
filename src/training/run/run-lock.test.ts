import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { lockRun } from './run-lock.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'run.lock');

type Started = ChildProcessByStdio<Writable, Readable, null>;

test('of several that are started together one gets the folder, whatever lay there', async () => {
  const program = `
    import { lockRun } from '${new URL('../../../dist/training/run/run-lock.js', import.meta.url)}';
    process.stdin.once('data', (start) => {
      while (Date.now() < Number(start)) {}
      try { lockRun(process.argv[1]); console.log('mine'); } catch (error) { console.log(error.name); }
    });
    console.log('ready');`;
  const said = async ({ stdout }: Started): Promise<string> => String((await once(stdout, 'data'))[0]).trim();
  for (const stale of [undefined, `${hostname()} ${2 ** 22 + 1}\n`, '']) {
    if (stale !== undefined) {
      writeFileSync(file, stale);
      utimesSync(file, 1, 1); // One that is empty may be about to be written for ten seconds.
    }
    const children = Array.from({ length: 5 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', program, folder], {
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
    await Promise.all(children.map(said));
    // Each goes on until its input ends: the one that has the folder outlives the tries of the others.
    const start = String(Date.now() + 100);
    for (const { stdin } of children) stdin.write(start);
    const told = await Promise.all(children.map(said));
    expect(told.sort()).toEqual([...Array<string>(4).fill('InputError'), 'mine']);
    expect(readdirSync(folder)).toEqual(['run.lock']);
    for (const child of children) child.stdin.end();
    await Promise.all(children.map((child) => once(child, 'close')));
    rmSync(file);
  }
});

test('two runs of one process do not share a folder', () => {
  const unlock = lockRun(folder);
  expect(() => lockRun(`${folder}/.`)).toThrow(/is training into this folder/);
  symlinkSync(folder, `${folder}-link`);
  expect(() => lockRun(`${folder}-link`)).toThrow(/is training into this folder/);
  rmSync(`${folder}-link`);
  unlock();
  unlock();
  lockRun(folder)();
  // The number of a process that is gone may be ours now, as in containers.
  writeFileSync(file, `${hostname()} ${process.pid}\n`);
  lockRun(folder)();
});

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
