/** `xinghe evaluate --judge` and `xinghe judge` as processes: our own server as the judge, Ctrl-C, keys, refusals. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type MockJudge, startMockJudge } from './support/mock-judge.js';
import { ServedProcess } from './support/served-process.js';
import { writeTinyModel } from './support/tiny-model.js';

const program = `
import { main } from ${JSON.stringify(new URL('../dist/cli/main.js', import.meta.url).href)};
process.exitCode = await main(process.argv.slice(1));
`;

const folder = mkdtempSync(join(tmpdir(), 'xinghe-judge-process-'));
let model = '';
let mock: MockJudge | undefined;
beforeAll(async () => {
  model = await writeTinyModel();
});
afterEach(() => mock?.close());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function xinghe(
  args: readonly string[],
  {
    environment = {},
    onStarted,
  }: { environment?: NodeJS.ProcessEnv; onStarted?: (pid: number) => void } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, OMP_NUM_THREADS: '1', XINGHE_LINEAR: 'blas', ...environment },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  onStarted?.(child.pid ?? 0);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

interface Entry {
  readonly score: number | null;
  readonly n: number;
  readonly missing: number;
  readonly unjudged: number;
}

function entryOf(stdout: string): Entry {
  const { results }: { results: Entry[] } = JSON.parse(stdout);
  const [entry] = results;
  if (entry === undefined) throw new Error('no entry');
  return entry;
}

const evaluation = (output: string, ...more: readonly string[]): string[] => [
  ...['evaluate', '--task', 'dialogue', '--model', model, '--limit', '4', '--max-new-tokens', '12'],
  ...['--output', join(folder, output), '--json', ...more],
];

test('our own server as the judge: a tiny model gives no verdict, which is counted, and the run ends well', async () => {
  const server = new ServedProcess(['--model', model, '--port', '0']);
  try {
    await server.ready();
    const { code, stdout, stderr } = await xinghe(
      evaluation('served', '--judge', server.url, '--judge-max-new-tokens', '16', '--judge-attempts', '2'),
    );
    expect([code, stderr.includes('no verdict')]).toEqual([0, true]);
    expect(entryOf(stdout)).toMatchObject({ score: null, n: 0, missing: 0, unjudged: 4 });
    const result: unknown = JSON.parse(readFileSync(join(folder, 'served', 'results.json'), 'utf8'));
    expect(result).toMatchObject({ complete: true, tasks: [{ judge: { verdicts: 0 } }] });
  } finally {
    server.kill('SIGTERM');
    await server.exit;
  }
});

test('a model folder as the judge', async () => {
  const { code, stdout, stderr } = await xinghe(
    evaluation('local', '--judge', model, '--judge-max-new-tokens', '8', '--judge-attempts', '1'),
  );
  expect([code, stderr]).toEqual([0, expect.stringContaining('4 questions were put to it')]);
  expect(entryOf(stdout)).toMatchObject({ score: null, unjudged: 4 });
});

test('Ctrl-C while it is judged, then the same command: nothing is asked twice; the table shows published scores as such', async () => {
  let stop = (): void => {};
  mock = await startMockJudge((_, response) => {
    if (mock?.calls.length === 2) stop();
    else if ((mock?.calls.length ?? 0) > 2) return void setTimeout(() => response.destroy(), 50);
    return '{"reason": "fine", "score": 80}';
  });
  const command = evaluation('stopped', '--judge', mock.address, '--parallel', '1');
  const stopped = await xinghe(command, {
    onStarted: (pid) => {
      stop = () => process.kill(pid, 'SIGINT');
    },
  });
  expect([stopped.code, stopped.stderr]).toEqual([130, expect.stringContaining('keeps the verdicts so far')]);
  const before = mock.calls.length;
  mock.behave(() => '{"reason": "fine", "score": 80}');
  const whole = await xinghe(command);
  expect([whole.code, entryOf(whole.stdout)]).toEqual([0, expect.objectContaining({ score: 0.8, n: 4 })]);
  expect(mock.calls.length - before).toBeLessThanOrEqual(3);
  const asked = mock.calls.length;
  const again = await xinghe(command.filter((word) => word !== '--json').concat('--overwrite'));
  expect(mock.calls).toHaveLength(asked);
  expect(again.stdout).toMatch(/dialogue +judge +80\.00[^\n]*\| +83\.80\n[\s\S]*published/);
});

test('the key comes from the environment alone, and never goes to another address', async () => {
  mock = await startMockJudge(() => '{"reason": "fine", "score": 80}');
  const own = mock;
  const recorded = join(folder, 'recorded.jsonl');
  writeFileSync(recorded, '{"task":"dialogue","id":"logic/0","output":"x"}\n');
  const keysOf = async (
    output: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
  ): Promise<unknown> => {
    own.calls.length = 0;
    const { code, stderr } = await xinghe(
      ['evaluate', '--task', 'dialogue', '--output', join(folder, output), '--judge', own.address, ...args],
      { environment: { JUDGE_API_KEY: '', OPENAI_API_KEY: '', ...environment } },
    );
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    const results = readFileSync(join(folder, output, 'results.json'), 'utf8');
    expect(results).not.toContain('secret');
    return [...new Set(own.calls.map(({ headers }) => headers.authorization))];
  };
  const predictions = ['--predictions', recorded];
  expect(
    await keysOf('key-1', predictions, { JUDGE_API_KEY: 'secret-j', OPENAI_API_KEY: 'secret-o' }),
  ).toEqual(['Bearer secret-j']);
  expect(await keysOf('key-2', predictions, { OPENAI_API_KEY: 'secret-o' })).toEqual(['Bearer secret-o']);
  const other = await startMockJudge(() => 'an answer');
  try {
    const asked = ['--model', other.address, '--limit', '2'];
    expect(await keysOf('key-3', asked, { OPENAI_API_KEY: 'secret-o' })).toEqual([undefined]);
    expect(other.calls[0]?.headers.authorization).toBe('Bearer secret-o');
  } finally {
    other.close();
  }
});

test('xinghe judge: two runs in a table, people beside it; what is missing is said', async () => {
  mock = await startMockJudge(({ messages }) =>
    (messages[1]?.content ?? '').indexOf('good') < (messages[1]?.content ?? '').indexOf('bad')
      ? '{"winner": "A"}'
      : '{"winner": "B"}',
  );
  for (const name of ['good', 'bad'])
    writeFileSync(
      join(folder, `${name}.jsonl`),
      ['logic/0', 'safety/1']
        .map((id) => `${JSON.stringify({ task: 'dialogue', id, output: name })}\n`)
        .join(''),
    );
  const labels = join(folder, 'labels.jsonl');
  writeFileSync(labels, '{"id":"logic/0","models":["good","bad"],"winner":"good"}\n');
  const runs = [join(folder, 'good.jsonl'), join(folder, 'bad.jsonl')];
  const output = ['--output', join(folder, 'pairs')];
  const { code, stdout } = await xinghe([
    'judge',
    ...runs,
    '--judge',
    mock.address,
    ...output,
    '--labels',
    labels,
  ]);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /good +100\.00[\s\S]*bad +0\.00[\s\S]*both orders agree: 100\.0 %[\s\S]*agreement with people: n 1/,
  );
  const failing = async (args: readonly string[]): Promise<unknown> => {
    const ended = await xinghe(args);
    return [ended.code, ended.stderr];
  };
  expect(await failing(['judge', ...runs, ...output])).toEqual([2, expect.stringContaining('--judge')]);
  expect(await failing(['judge', runs[0] ?? '', ...output])).toEqual([
    2,
    expect.stringContaining('--labels'),
  ]);
  expect(await failing(['judge', ...output])).toEqual([2, expect.stringContaining('RUN RUN')]);
});

test('the scores of one run against people', async () => {
  mock = await startMockJudge(({ messages }) =>
    JSON.stringify({ score: messages[1]?.content.includes('fine') ? 90 : 30 }),
  );
  const recorded = join(folder, 'scored.jsonl');
  const ids = ['logic/0', 'logic/1', 'logic/2', 'logic/3'];
  writeFileSync(
    recorded,
    ids
      .map((id, n) => `${JSON.stringify({ task: 'dialogue', id, output: n < 2 ? 'fine' : 'no' })}\n`)
      .join(''),
  );
  const run = join(folder, 'scored');
  await xinghe([
    'evaluate',
    '--task',
    'dialogue',
    '--predictions',
    recorded,
    '--judge',
    mock.address,
    '--output',
    run,
  ]);
  const labels = join(folder, 'scores.jsonl');
  writeFileSync(
    labels,
    [95, 92, 20, 50].map((score, n) => `${JSON.stringify({ id: ids[n], score })}\n`).join(''),
  );
  const output = ['--output', join(folder, 'agreement'), '--json'];
  const { code, stdout } = await xinghe(['judge', run, '--labels', labels, ...output]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    agreement: { n: 4, unmatched: 0, accuracy: 0.75, spearman: expect.closeTo(0.894, 3) },
  });
});
