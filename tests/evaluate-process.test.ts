/** `xinghe evaluate` as a process: killed, interrupted, and taken up again. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliExit, startCli } from './support/cli-process.js';
import { type EvaluationMock, evaluationMock } from './support/evaluation-mock.js';
import { writeSets } from './support/evaluation-sets.js';
import { casesOf } from './support/long-suite.js';
import { sendJson } from './support/mock-address.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-evaluate-process-'));
const sets = writeSets(join(folder, 'sets'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Answers that differ from question to question, each after a moment. */
let mock: EvaluationMock;
beforeAll(async () => {
  mock = await evaluationMock(async ({ body }, response) => {
    await sleep(40);
    const text = JSON.stringify(body);
    const answer = 'ABCD'[[...text].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 4];
    sendJson(response, { choices: [{ message: { content: `The answer is ${answer}.` } }] });
    return true;
  });
});
afterAll(() => mock?.close());

/** The output folder has the same name each time: it is part of the record. */
function evaluate(
  name: string,
  during?: (process: ReturnType<typeof startCli>) => Promise<void>,
): Promise<CliExit> {
  const cwd = join(folder, name);
  mkdirSync(cwd, { recursive: true });
  const started = startCli(
    [
      'evaluate',
      '--model',
      mock.url,
      '--task',
      'mmlu',
      '--mode',
      'generate',
      '--data',
      sets,
      '--output',
      'out',
      '--parallel',
      '2',
    ],
    { cwd },
  );
  void during?.(started);
  return started.exit;
}

const path = (name: string, file: string): string => join(folder, name, 'out', file);
const read = (name: string, file: string): string => readFileSync(path(name, file), 'utf8');
const timeless = (name: string): unknown => ({ ...JSON.parse(read(name, 'results.json')), time: 0 });

/** Waits until some answers are kept. */
async function untilAnswers(name: string, count: number): Promise<void> {
  const journal = path(name, 'unfinished.jsonl');
  for (let tries = 0; tries < 1000; tries++) {
    if (existsSync(journal) && readFileSync(journal, 'utf8').split('\n').length > count) return;
    await sleep(10);
  }
  throw new Error('no answers came');
}

describe('an evaluation that is ended from outside goes on where it stopped, to the same bytes', () => {
  beforeAll(async () => {
    const { code, stderr } = await evaluate('whole');
    expect(code, stderr).toBe(0);
  });

  const signals = [
    ['SIGKILL', null],
    ['SIGINT', 130],
    ['SIGTERM', 130],
  ] as const;
  test.each(casesOf(signals, ([signal]) => signal !== 'SIGTERM'))('%s', async (signal, code) => {
    const exit = await evaluate(signal, async ({ child }) => {
      await untilAnswers(signal, 4);
      child.kill(signal);
    });
    expect(exit.code).toBe(code);
    if (code !== null)
      expect(exit.stderr).toMatch(/stopped by SIG.* keeps \d+ answers, the same command goes on from there/);
    expect(exit.stderr).not.toMatch(/\n\s+at /);
    expect(existsSync(path(signal, 'results.json'))).toBe(false);
    const before = mock.asked;
    const again = await evaluate(signal);
    expect(again.code, again.stderr).toBe(0);
    // Twelve samples; those whose answers were kept are not asked again.
    expect(mock.asked - before).toBeLessThan(12);
    expect(read(signal, 'samples.jsonl')).toBe(read('whole', 'samples.jsonl'));
    expect(timeless(signal)).toEqual(timeless('whole'));
    expect(read(signal, 'results.md')).toBe(read('whole', 'results.md'));
    expect(existsSync(path(signal, 'unfinished.jsonl'))).toBe(false);
  });
});

test('a rate limit is waited for as long as the address says', async () => {
  const limited = await evaluationMock(({ count }, response) => {
    if (count > 0) return false;
    sendJson(response, { error: { message: 'slow down' } }, 429, { 'retry-after': '1' });
    return true;
  });
  const output = join(folder, 'limited');
  const { exit } = startCli([
    'evaluate',
    '--model',
    limited.url,
    '--task',
    'gsm8k',
    '--shots',
    '0',
    '--mode',
    'generate',
    '--data',
    sets,
    '--output',
    output,
    '--json',
  ]);
  const { code, stdout, stderr } = await exit;
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout).results[0]).toMatchObject({ n: 2, missing: 0 });
  expect(limited.asked).toBe(3);
  expect(JSON.parse(readFileSync(join(output, 'results.json'), 'utf8')).time.seconds).toBeGreaterThanOrEqual(
    1,
  );
  await limited.close();
});
