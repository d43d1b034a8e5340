/** The program as a process of its own: exit codes, what goes to stdout and what to stderr, interruption. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { goldenFolder } from './support/golden.js';
import { tinyRunModel, writeTinyModel } from './support/tiny-model.js';

const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-process-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param watch sees stderr grow */
function xinghe(
  args: readonly string[],
  watch?: (stderr: string, child: ChildProcess) => void,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      watch?.(stderr, child);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const model = `${goldenFolder}xverse`;
const ids = join(folder, 'ids.json');
writeFileSync(ids, JSON.stringify({ input_ids: [[5, 6, 7]] }));

test('a result is all that stdout holds', async () => {
  const { code, stdout, stderr } = await xinghe([
    ...['generate', '--model', model, '--input', ids, '--max-new-tokens', '2', '--json'],
  ]);
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout).choices[0].ids).toHaveLength(2);
});

test.each([
  [['genrate'], /^xinghe: unknown command "genrate"\. Did you mean `generate`\?/],
  [['generate', '--model', join(folder, 'none'), '--input', ids], /^xinghe: .*none: no such model folder/],
])('%j: exit code 2 and one message', async (args, message) => {
  const { code, stdout, stderr } = await xinghe(args);
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test('an interrupted training saves a checkpoint that loads, says so, and exits with 130', async () => {
  const output = join(folder, 'run');
  const data = join(folder, 'texts.jsonl');
  const config = join(folder, 'train.json');
  writeFileSync(data, `${JSON.stringify({ text: 'All the world is a stage. '.repeat(50) })}\n`);
  writeFileSync(
    config,
    JSON.stringify({
      output,
      threads: 1,
      model: tinyRunModel({ num_hidden_layers: 1 }),
      data: { files: [data], form: 'text', sequence_length: 32 },
      training: { steps: 100_000, micro_batch_size: 1, learning_rate: 1e-4 },
    }),
  );
  let sent = false;
  const { code, stdout, stderr } = await xinghe(['train', '--config', config], (text, child) => {
    if (sent || !/\/100000 steps/.test(text)) return;
    sent = true;
    child.kill('SIGINT');
  });
  expect(code, stderr).toBe(130);
  expect(stdout).toBe('');
  const step = /xinghe: training: stopped by SIGINT after step (\d+) of 100000; a checkpoint is written/.exec(
    stderr,
  )?.[1];
  expect(step, stderr).toBeDefined();
  const checkpoint = join(output, 'checkpoints', `step-${step}`);
  expect(readdirSync(join(output, 'checkpoints'))).toEqual([`step-${step}`]);
  expect(existsSync(join(output, 'final'))).toBe(false);
  const again = await xinghe([
    ...['generate', '--model', checkpoint, '--input', ids, '--max-new-tokens', '2', '--json'],
  ]);
  expect(again.code, again.stderr).toBe(0);
});

test('chat: /help lists the commands, a slip is no message, stdin that ends ends it', async () => {
  const tiny = await writeTinyModel();
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'chat', '--model', tiny], {
    input: '/help\n/halp\n',
    encoding: 'utf8',
  });
  rmSync(tiny, { recursive: true });
  expect(status, stderr).toBe(0);
  expect(stdout).toBe('');
  expect(stderr).toContain('Ctrl-D ends too. All else is said to the model.');
  expect(stderr).toContain('/halp is no command. /reset forgets the conversation, /help shows this');
});
