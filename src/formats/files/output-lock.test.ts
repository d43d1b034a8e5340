import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import { lockOutput, withLockedOutput } from '../index.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-lock-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lockOf = (name: string): string => join(folder, `.${name}.lock`);

test('a second lock is refused until the first is given back, and nothing stays', () => {
  const path = join(folder, 'a', 'b', 'out.jsonl');
  const release = lockOutput(path);
  expect(() => lockOutput(path)).toThrow(InputError);
  expect(() => lockOutput(path)).toThrow(
    new RegExp(`process ${process.pid} on .* is writing to it; wait for it`),
  );
  release();
  release();
  expect(existsSync(join(folder, 'a'))).toBe(false);
  lockOutput(path)();
  expect(readdirSync(folder)).toEqual([]);
});

test('a folder that is there is locked beside it, and what was written stays', async () => {
  const path = join(folder, 'rows');
  mkdirSync(path);
  await withLockedOutput(path, () => {
    expect(existsSync(lockOf('rows'))).toBe(true);
    writeFileSync(join(path, 'x'), '');
  });
  expect(readdirSync(folder)).toEqual(['rows']);
});

test('a lock of a live process holds; of a dead one, of an earlier start of the machine, of nobody, it is taken over', async () => {
  const path = join(folder, 'out');
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
  await once(child, 'spawn');
  writeFileSync(lockOf('out'), `${hostname()} ${child.pid} \n`);
  expect(() => lockOutput(path)).toThrow(`process ${child.pid} on`);
  // The number of a process that lives, taken by another one since.
  writeFileSync(lockOf('out'), `${hostname()} ${child.pid} 1\n`);
  if (process.platform === 'linux') lockOutput(path)();
  child.kill('SIGKILL');
  await once(child, 'close');
  writeFileSync(lockOf('out'), `${hostname()} ${child.pid} \n`);
  lockOutput(path)();
  writeFileSync(lockOf('out'), '');
  expect(() => lockOutput(path)).toThrow('another process is writing');
  utimesSync(lockOf('out'), 1, 1);
  lockOutput(path)();
  writeFileSync(lockOf('out'), 'another-machine 1 1\n');
  expect(() => lockOutput(path)).toThrow(
    `on another-machine is writing to it; wait for it, or name another output. If it is gone, remove ${lockOf('out')}`,
  );
  rmSync(lockOf('out'));
});

test('devices are not locked; a place that cannot be written says why', () => {
  lockOutput('/dev/null')();
  writeFileSync(join(folder, 'file'), '');
  expect(() => lockOutput(join(folder, 'file', 'below'))).toThrow(/a part of the path is a file/);
});

test('of many processes that want it at once, over a dead lock, one has it', async () => {
  const path = join(folder, 'raced');
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  writeFileSync(lockOf('raced'), `${hostname()} ${dead} \n`);
  const module = new URL('../../../dist/formats/index.js', import.meta.url).href;
  const program = `import { lockOutput } from ${JSON.stringify(module)};
    try { lockOutput(${JSON.stringify(path)}); console.log('mine'); setTimeout(() => {}, 3000); } catch (error) { console.log('taken'); }`;
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  const said = await Promise.all(
    children.map(async (child) => {
      let text = '';
      child.stdout.on('data', (piece) => {
        text += String(piece);
      });
      await once(child, 'close');
      return text.trim();
    }),
  );
  expect(said.sort()).toEqual(['mine', 'taken', 'taken', 'taken']);
}, 30_000);
