import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { evaluationRecord, stepRecord } from '../../../tests/support/run-records.js';
import { evaluationLine, stepLine } from './metrics-file.js';
import { type WatchedFolders, watchFolders } from './watch-folders.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-watch-folders-'));
const open: WatchedFolders[] = [];
afterEach(async () => {
  for (const watched of open.splice(0)) await watched.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
/** A folder as a run of so many steps leaves it. */
function run(steps: number, name = `run-${count++}`): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  const lines = Array.from({ length: steps }, (_, index) => stepLine(stepRecord(index + 1)));
  writeFileSync(join(path, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return path;
}

async function watch(folders: readonly string[], running: readonly string[] = []): Promise<string> {
  const watched = await watchFolders(folders, { port: 0, isRunning: (path) => running.includes(path) });
  open.push(watched);
  return watched.url;
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of the server, whose values the tests check
const ask = async (url: string, path: string): Promise<any> => (await fetch(new URL(path, url))).json();
const poll = <T>(value: () => T): ReturnType<typeof expect.poll<T>> =>
  expect.poll(value, { timeout: 10_000 });

describe('watchFolders', () => {
  it('reads a finished run with its configuration, evaluations and samples', async () => {
    const path = run(30);
    appendFileSync(
      join(path, 'metrics.jsonl'),
      `${JSON.stringify(evaluationLine(evaluationRecord(30)))}\n{"step": 31, "lo`,
    );
    writeFileSync(
      join(path, 'config.yaml'),
      `# Written by xinghe train\n${stringify({ training: { steps: 100 } })}`,
    );
    writeFileSync(
      join(path, 'starts.jsonl'),
      `${JSON.stringify({ started: '2026-01-01T00:00:00Z', command: ['xinghe', 'train'], versions: { node: '20' }, total_steps: 100 })}\n`,
    );
    writeFileSync(join(path, 'samples.jsonl'), '{"step":30,"prompt":"p","text":"t"}\n');
    const url = await watch([path]);
    expect(await ask(url, '/api/runs')).toMatchObject([
      {
        id: '0',
        ended: true,
        followed: true,
        total_steps: 100,
        setup: { config: { training: { steps: 100 } }, command: 'xinghe train', versions: { node: '20' } },
      },
    ]);
    const content = await ask(url, '/api/steps');
    expect(content.columns.step).toHaveLength(30);
    expect(content.evaluations).toMatchObject([{ step: 30, eval_loss: 3.25 }]);
    expect(content.samples).toMatchObject([{ step: 30, text: 't' }]);
    expect((await fetch(new URL('/metrics', url))).status).toBe(404);
  });

  it('follows a run that goes on, one that is taken up again at an earlier step, and its end', async () => {
    const path = run(10);
    const running = [path];
    const url = await watch([path], running);
    const steps = async (): Promise<number> => (await ask(url, '/api/steps')).columns.step.at(-1);
    expect(await steps()).toBe(10);
    expect((await ask(url, '/api/steps')).run.ended).toBe(false);
    const line = JSON.stringify(stepLine(stepRecord(11)));
    appendFileSync(join(path, 'metrics.jsonl'), line.slice(0, 20));
    appendFileSync(join(path, 'metrics.jsonl'), `${line.slice(20)}\n`);
    await poll(steps).toBe(11);
    run(5, path.slice(folder.length + 1));
    await poll(steps).toBe(5);
    expect((await ask(url, '/api/steps')).run.restarts).toBe(1);
    running.pop();
    await poll(async () => (await ask(url, '/api/steps')).run.ended).toBe(true);
  });

  it('waits for the first step of a run that has just begun', async () => {
    const path = join(folder, 'begun');
    mkdirSync(path);
    writeFileSync(join(path, 'run.lock'), 'here 1\n');
    const url = await watch([path], [path]);
    expect((await ask(url, '/api/steps')).columns.step).toEqual([]);
    run(3, 'begun');
    await poll(async () => (await ask(url, '/api/steps')).columns.step).toEqual([1, 2, 3]);
  });

  it('names several by as much of their paths as tells them apart', async () => {
    const paths = [run(3, 'a/out'), run(4, 'b/out'), run(5, 'c')];
    const url = await watch(paths);
    expect((await ask(url, '/api/runs')).map(({ label }: { label: string }) => label)).toEqual([
      'a/out',
      'b/out',
      expect.stringMatching(/\/c$/),
    ]);
    expect((await ask(url, '/api/steps?run=1')).columns.step).toHaveLength(4);
    expect((await fetch(new URL('/api/steps?run=7', url))).status).toBe(404);
  });

  it('leaves out and counts lines that are not readable; null is a value that was not finite', async () => {
    const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const path = run(2);
    appendFileSync(join(path, 'metrics.jsonl'), 'oh\n[]\n{"step":3,"loss":null,"phase_seconds":{}}\n');
    const url = await watch([path]);
    expect((await ask(url, '/api/steps')).columns.loss).toEqual([8, 5.5, null]);
    expect(told.mock.calls.join('')).toContain('2 lines are not readable');
    told.mockRestore();
  });

  it.each([
    ['no folder', ['absent'], /absent: there is no such folder/],
    ['a folder without a run', ['.'], /holds no run \(no metrics\.jsonl\)/],
    ['a file', ['file'], /is a file/],
    ['one named twice', ['twice', 'twice/'], /is named twice/],
  ])('refuses %s', async (_, names, message) => {
    writeFileSync(join(folder, 'file'), '');
    run(1, 'twice');
    await expect(watch(names.map((name) => join(folder, name)))).rejects.toThrow(message);
  });

  it('refuses a port that is taken, by the name of its option', async () => {
    const url = await watch([run(1)]);
    const port = Number(new URL(url).port);
    await expect(watchFolders([run(1)], { port, isRunning: () => false })).rejects.toThrow(
      /in use; give --port another one/,
    );
  });
});
