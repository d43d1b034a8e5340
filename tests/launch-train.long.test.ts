/** `xinghe launch -- train`: ranks that are killed, stopped and signalled, and what comes of the run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goldenFolder } from './support/golden.js';
import { referencePython } from './support/reference.js';
import { requiresPython } from './support/requires.js';

const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-launch-train-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const STEPS = 30;

function writeConfig(output: string): string {
  const texts = join(folder, 'texts.jsonl');
  const lines = Array.from({ length: 80 }, (_, index) =>
    JSON.stringify({ text: `Line ${index} says that ${index * 7} stars are seen. 星河${index}。` }),
  );
  writeFileSync(texts, `${lines.join('\n')}\n`);
  const path = join(folder, `${output.split('/').at(-1)}.json`);
  const config = {
    output,
    model: {
      tokenizer: `${goldenFolder}tokenizers/bbpe_gpt2`,
      config: {
        model_type: 'xverse',
        vocab_size: 1000,
        hidden_size: 64,
        intermediate_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        eos_token_id: 3,
        pad_token_id: 1,
      },
    },
    threads: 1,
    data: { files: [texts], form: 'text', sequence_length: 48 },
    training: { steps: STEPS, micro_batch_size: 2, learning_rate: 1e-3 },
    checkpoints: { every: 4, keep_last: 3 },
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param during called every few ms with the launcher and its output so far */
function run(
  words: readonly string[],
  during: (launcher: ChildProcess, stderr: string) => void = () => undefined,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(words[0] ?? '', words.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, XINGHE_LINEAR: 'blas', OMP_NUM_THREADS: '1' },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const timer = setInterval(() => during(child, stderr), 5);
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      resolve({ code, stdout, stderr });
    });
  });
}

const launched = (options: readonly string[], output: string, more: readonly string[] = []): string[] => [
  process.execPath,
  program,
  'launch',
  '--nproc',
  '2',
  ...options,
  '--',
  'train',
  '--config',
  writeConfig(output),
  '--json',
  ...more,
];

function losses(output: string): unknown[] {
  return readFileSync(join(output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .flatMap(({ step, loss }) => (loss === undefined ? [] : [[step, loss]]));
}

/** The number of steps that metrics.jsonl tells of, half a line included. */
const stepsDone = (output: string): number =>
  existsSync(join(output, 'metrics.jsonl'))
    ? (readFileSync(join(output, 'metrics.jsonl'), 'utf8').match(/"loss"/g) ?? []).length
    : 0;
const weightsOf = (output: string): Buffer => readFileSync(join(output, 'final', 'model.safetensors'));

/** The process of a rank: the children of the launcher in the order of their ranks. */
function rankPid(launcher: ChildProcess, rank: number): number {
  const children = readFileSync(`/proc/${launcher.pid}/task/${launcher.pid}/children`, 'utf8').trim();
  return Number(children.split(' ')[rank]);
}

const straight = join(folder, 'straight');
beforeAll(async () => {
  const { code, stdout, stderr } = await run(launched([], straight));
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ output: straight, steps: STEPS });
});

function expectSame(output: string): void {
  expect(losses(output)).toEqual(losses(straight));
  expect(weightsOf(output).equals(weightsOf(straight))).toBe(true);
}

describe('a training run over two ranks', () => {
  test('kill -9 of a rank: it starts again from the newest checkpoint and ends with the same weights', async () => {
    const output = join(folder, 'killed');
    let isKilled = false;
    const { code, stderr } = await run(launched(['--max-restarts', '2'], output), (launcher) => {
      if (isKilled || stepsDone(output) < 10) return;
      isKilled = true;
      process.kill(rankPid(launcher, 1), 'SIGKILL');
    });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/rank 1 \(node 0, .*\) was killed by SIGKILL/);
    expect(stderr).toMatch(/all ranks start again in 1 s; 1 of 2 restarts are left/);
    expect(stderr).toMatch(/resumed from .*step-\d+/);
    expectSame(output);
  });

  test('SIGTERM to the launcher saves and exits 0; the run goes on to the same weights', async () => {
    const output = join(folder, 'ended');
    let isSent = false;
    const { code, stderr } = await run(launched([], output), (launcher) => {
      if (isSent || stepsDone(output) < 7) return;
      isSent = true;
      launcher.kill('SIGTERM');
    });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/stopped by SIGTERM after step \d+ of 30; a checkpoint is written/);
    expect(existsSync(join(output, 'final'))).toBe(false);
    const resumed = await run(launched([], output, ['--resume', 'auto']));
    expect(resumed.code, resumed.stderr).toBe(0);
    expectSame(output);
  });

  test('SIGSTOP of a rank: the watchdog names it, and the run starts again', async () => {
    const output = join(folder, 'hung');
    let isStopped = false;
    const { code, stderr } = await run(
      launched(['--timeout', '4', '--max-restarts', '1'], output),
      (launcher) => {
        if (isStopped || stepsDone(output) < 6) return;
        isStopped = true;
        process.kill(rankPid(launcher, 1), 'SIGSTOP');
      },
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(
      /rank 1 \(node 0, process \d+\) has given no sign of life for \d\.\d s: a signal has stopped it/,
    );
    expect(stderr).toMatch(/where each rank was:\n {2}rank 0 .*\n {2}rank 1 /);
    expectSame(output);
  });

  test('bad input is said once and not tried again', async () => {
    const { code, stdout, stderr } = await run(
      launched(['--max-restarts', '3'], join(folder, 'bad'), ['--set', 'training.steps=x']),
    );
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.match(/training\.steps/g)?.length).toBe(1);
    expect(stderr).not.toContain('start again');
  });

  test('the real torchrun starts it as well', requiresPython(referencePython()), async () => {
    const output = join(folder, 'torchrun');
    const torchrun = join(dirname(referencePython() ?? ''), 'torchrun');
    const { code, stderr } = await run([
      torchrun,
      '--no-python',
      '--nproc-per-node',
      '2',
      program,
      'train',
      '--config',
      writeConfig(output),
    ]);
    expect(code, stderr).toBe(0);
    expectSame(output);
  });
});
