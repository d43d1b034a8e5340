/** stderr that cannot be written: a full disk (/dev/full), a pipe whose reader has gone. Nothing ends for it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { casesOf } from './support/long-suite.js';
import { until } from './support/served-process.js';
import { tinyRunModel, writeTinyModel } from './support/tiny-model.js';

const program = `
import { main } from ${JSON.stringify(new URL('../dist/cli/main.js', import.meta.url).href)};
process.exitCode = await main(process.argv.slice(1));
`;
const scratch = mkdtempSync(join(tmpdir(), 'xinghe-log-'));
let model: string;
beforeAll(async () => {
  model = await writeTinyModel();
});
afterAll(() => {
  rmSync(dirname(model), { recursive: true, force: true });
  rmSync(scratch, { recursive: true, force: true });
});

type Stderr = 'full disk' | 'closed pipe';

function start(
  args: readonly string[],
  stderr: Stderr,
): { process: ChildProcess; code: Promise<number | null> } {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', ...args], {
    stdio: ['ignore', 'pipe', stderr === 'full disk' ? full : 'pipe'],
    env: { ...process.env, OMP_NUM_THREADS: '1', XINGHE_LINEAR: 'blas' },
  });
  closeSync(full);
  child.stdout?.resume();
  child.stderr?.destroy();
  const code = new Promise<number | null>((resolve) => {
    child.on('exit', (exit, signal) => resolve(signal === null ? exit : -1));
  });
  return { process: child, code };
}

async function freePort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

const serving = [
  ['full disk', []],
  ['closed pipe', []],
  ['full disk', ['--quiet']],
] as const;

test.each(casesOf(serving, (_, index) => index === 0))(
  'serve answers on, its log on a %s, %j; and after its engine has died',
  async (stderr, more) => {
    const port = await freePort();
    const server = start(['serve', '--model', model, '--port', String(port), ...more], stderr);
    const url = `http://127.0.0.1:${port}`;
    const status = async (path: string): Promise<number> =>
      await fetch(`${url}${path}`).then(
        (response) => response.status,
        () => 0,
      );
    await until(async () => (await status('/health')) === 200, 'a server that is ready');
    for (let index = 0; index < 30; index++) expect(await status('/v1/models')).toBe(200);
    const { readFileSync } = await import('node:fs');
    const { pid } = server.process;
    const engine = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
    process.kill(engine, 'SIGKILL');
    await until(async () => (await status('/health')) === 503, 'a dead engine');
    await until(async () => (await status('/health')) === 200, 'the next engine');
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(Number(/^xinghe:lost_log_lines_total (\d+)/m.exec(metrics)?.[1])).toBeGreaterThan(
      more.length > 0 ? 2 : 30,
    );
    server.process.kill('SIGTERM');
    expect(await server.code).toBe(0);
  },
  60_000,
);

const ways = ['full disk', 'closed pipe'] as const;

test.each(casesOf(ways, (way) => way === 'closed pipe'))(
  'generate and bad input, stderr on a %s',
  async (stderr) => {
    const output = join(scratch, `answers-${stderr.replace(' ', '-')}.jsonl`);
    const input = join(scratch, 'questions.jsonl');
    writeFileSync(input, '{"input":"Once"}\n{"input":"Twice"}\n');
    const args = ['--model', model, '--input', input, '--output', output, '--max-new-tokens', '4'];
    expect(await start(['generate', ...args], stderr).code).toBe(0);
    expect(await start(['generate', '--no-such-option'], stderr).code).toBe(2);
  },
  60_000,
);

/** @returns the run's folder and its configuration file */
function writeRun(name: string): { output: string; config: string } {
  const output = join(scratch, name);
  const texts = join(scratch, `${name}.jsonl`);
  const config = join(scratch, `${name}.json`);
  const lines = Array.from({ length: 12 }, (_, index) =>
    JSON.stringify({ text: `Line ${index} of a text.` }),
  );
  writeFileSync(texts, `${lines.join('\n')}\n`);
  const run = {
    output,
    model: tinyRunModel({ intermediate_size: 64, num_hidden_layers: 1 }),
    threads: 1,
    data: { files: [texts], form: 'text', sequence_length: 16 },
    training: { steps: 4, micro_batch_size: 1, learning_rate: 1e-3 },
  };
  writeFileSync(config, JSON.stringify(run));
  return { output, config };
}

test.each(casesOf(ways, (way) => way === 'full disk'))(
  'train runs to its end and `watch` shows it, stderr on a %s',
  async (stderr) => {
    const { output, config } = writeRun(`run-${stderr.replace(' ', '-')}`);
    expect(await start(['train', '--config', config], stderr).code).toBe(0);
    expect(existsSync(join(output, 'final'))).toBe(true);
    const steps = readFileSync(join(output, 'metrics.jsonl'), 'utf8').match(/"step":4\b/g);
    expect(steps?.length).toBeGreaterThan(0);
    const port = await freePort();
    const page = start(['watch', output, '--port', String(port)], stderr);
    const ask = async (): Promise<string> =>
      await fetch(`http://127.0.0.1:${port}/`).then(
        (response) => response.text(),
        () => '',
      );
    await until(async () => (await ask()).includes('<html'), 'the page');
    for (let index = 0; index < 10; index++) expect(await ask()).toContain('<html');
    page.process.kill('SIGTERM');
    expect(await page.code).toBe(0);
  },
  120_000,
);
