/** docs/adding-a-task.md is a contract: its example runs as it stands, and every task of the registry keeps to it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { writeSets } from '../../tests/support/evaluation-sets.js';
import { Problems } from './problems.js';
import { findTasks, TASKS } from './registry.js';
import { SetReader } from './sets/set-reader.js';
import type { LoadOptions, Task } from './task.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-task-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const here = fileURLToPath(new URL('.', import.meta.url));
const page = readFileSync(new URL('../../docs/adding-a-task.md', import.meta.url), 'utf8');

const options: LoadOptions = {
  shots: 0,
  isShotsWanted: false,
  isCot: false,
  needsPrompts: true,
  isSingleChoiceOnly: false,
};

async function capitals(): Promise<Task> {
  const code = /```ts\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const path = join(folder, 'capitals.ts');
  writeFileSync(path, code.replaceAll("'../../", `'${here}`));
  const found: { readonly capitals: Task } = await import(/* @vite-ignore */ path);
  return found.capitals;
}

test('the example of the page reads its set, names bad rows, and grades', async () => {
  const task = await capitals();
  const root = writeSets(join(folder, 'data'), {
    'capitals/world.jsonl':
      '{"country":"Chad","capital":"N\'Djamena"}\n{"country":"Peru"}\n{"country":"Mali","capital":"Bamako"}\n',
  });
  const problems = new Problems();
  const { samples } = await task.load(new SetReader(task.name, root, task.folder, problems), options);
  expect(samples.map(({ id, target }) => [id, target])).toEqual([
    ['world/0', "N'Djamena"],
    ['world/2', 'Bamako'],
  ]);
  expect(problems.list()).toMatchObject([
    { reason: 'missing field', count: 1, examples: [{ id: 'world/1' }] },
  ]);
  const tools = { runProgram: () => Promise.reject(new Error('no program here')) };
  expect(await samples[1]?.grade([' Bamako '], tools)).toEqual({ extracted: 'Bamako', isCorrect: [true] });
  expect(await samples[1]?.grade(['Lima'], tools)).toEqual({ extracted: 'Lima', isCorrect: [false] });
});

describe.each(TASKS.map((task) => [task.name, task] as const))('%s', (name, task) => {
  test('says what it is, where it comes from and where it differs', () => {
    expect(findTasks(name, 'data')).toEqual([task]);
    expect(task.version).toBeGreaterThanOrEqual(1);
    for (const text of [task.title, task.folder, task.source, task.paper, ...task.deviations])
      expect(text).not.toBe('');
  });

  test('lies in a folder of its own', () => {
    const room = name.startsWith('arc-') ? 'arc' : name;
    expect(existsSync(join(here, 'tasks', room))).toBe(true);
  });
});

test('a task that there is not is refused with what there is', () => {
  expect(() => findTasks('mmmlu', 'data')).toThrow(/no task "mmmlu".*mmlu/);
});

test('the files that the page names are there', () => {
  for (const [, path] of page.matchAll(/`(src\/evaluation\/[a-z/.-]+\.ts)`/g))
    if (path !== undefined && !path.includes('capitals'))
      expect(existsSync(join(here, '../..', path)), path).toBe(true);
});
