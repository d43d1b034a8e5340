/** `xinghe quantize` as a process: its memory as models grow, its end in the middle, a full disk. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeRandomModel } from '../src/bench/materials/random-model.js';
import { startCli } from './support/cli-process.js';
import { peakMemoryOf } from './support/peak-memory.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-quantize-process-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const MB = 2 ** 20;

/** bfloat16, in Llama's layout: a block of `hidden` 1024 is 26 MB. */
function makeModel(name: string, layers: number, hidden = 1024): void {
  const size = { layers, hidden, ffn: (hidden * 11) / 4, heads: 8, kvHeads: 4, vocab: 1000 };
  writeRandomModel({ to: at(name), size, dtype: 'bfloat16' });
}

const calibration = at('calibration.json');
beforeAll(() => {
  makeModel('small', 6);
  makeModel('large', 12);
  makeModel('tiny', 8, 256);
  const windows = Array.from({ length: 4 }, (_, window) =>
    Array.from({ length: 512 }, (_, place) => (window * 31 + place * place * 7 + place) % 1000),
  );
  writeFileSync(calibration, JSON.stringify({ input_ids: windows }));
});

const argsOf = (from: string, to: string, ...more: string[]): string[] => [
  ...['quantize', '--model', at(from), '--output', at(to), '--to', 'int4', '--threads', '1', ...more],
];

describe('twice the layers take no more memory', () => {
  // The models differ by 154 MB in their files, and by 308 MB in floats.
  test.each([
    ['rtn', []],
    ['gptq', ['--calibration', calibration]],
    ['gptq, measured', ['--calibration', calibration, '--measure', calibration]],
    ['awq', ['--scheme', 'awq', '--calibration', calibration, '--calibration-tokens', '1024']],
    ['auto', ['--scheme', 'auto', '--calibration', calibration, '--target-bytes', String(120 * MB)]],
  ])('%s', async (name, options) => {
    const to = name.replaceAll(/\W+/g, '-');
    const small = await peakMemoryOf(argsOf('small', `${to}-small`, ...options));
    const large = await peakMemoryOf(argsOf('large', `${to}-large`, ...options));
    process.stdout.write(`${name}: ${(small / MB).toFixed(0)} and ${(large / MB).toFixed(0)} MB\n`);
    // What JavaScript has not collected yet differs by so much from run to run.
    expect(large - small).toBeLessThan(60 * MB);
  });
});

function printOf(folder: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort())
    if (!name.startsWith('quantization_report')) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex');
}

/** Of a run to this output. */
const leftovers = (to: string): string[] => readdirSync(root).filter((name) => name.startsWith(`.${to}`));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe.each([
  ['rtn', ['--scheme', 'rtn']],
  ['gptq', ['--calibration', calibration, '--calibration-tokens', '512']],
])('%s, ended in the middle', (name, options) => {
  let straight = '';
  beforeAll(async () => {
    const to = `${name}-straight`;
    const { code, stderr } = await startCli(argsOf('tiny', to, ...options)).exit;
    expect(code, stderr).toBe(0);
    straight = printOf(at(to));
    expect(leftovers(to)).toEqual([]);
  });

  test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
    '%s: nothing at the target, and the same command gives the same bytes',
    async (signal) => {
      const to = `${name}-${signal}`;
      const { child, exit } = startCli(argsOf('tiny', to, ...options));
      await until(() => existsSync(at(`.${to}.quantizing/block-2.json`)) || child.exitCode !== null);
      child.kill(signal);
      const ended = await exit;
      expect(ended.signal ?? ended.code).toBe(ended.signal === null ? 130 : signal);
      expect(existsSync(at(to))).toBe(false);
      const done = readdirSync(at(`.${to}.quantizing`)).filter((file) => /^block-\d+\.json$/.test(file));
      expect(done.length).toBeGreaterThanOrEqual(3);
      const again = await startCli(argsOf('tiny', to, ...options)).exit;
      expect(again.code, again.stderr).toBe(0);
      expect(printOf(at(to))).toBe(straight);
      expect(leftovers(to)).toEqual([]);
    },
  );
});

test.each([
  ['the first block', 100],
  ['a file of several blocks', 2500],
])('a disk that is full at %s: one message, and nothing at the target', (_, blocks) => {
  const to = `full-${blocks}`;
  const program = `import { main } from ${JSON.stringify(new URL('../dist/cli/main.js', import.meta.url).href)};
process.exitCode = await main(process.argv.slice(1));`;
  const { status, stderr } = spawnSync(
    'bash',
    [
      ...['-c', `ulimit -f ${blocks}; exec "$@"`, 'bash'],
      ...[process.execPath, '--input-type=module', '-e', program, '--', ...argsOf('tiny', to)],
    ],
    { encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '1', XINGHE_LINEAR: 'blas' } },
  );
  expect(status, stderr).toBe(2);
  expect(stderr.match(/^xinghe: .*could not be written.*$/gm), stderr).toHaveLength(1);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(existsSync(at(to))).toBe(false);
  expect(stderr).toContain('the same command goes on');
  const again = spawnSync(process.execPath, [
    '--input-type=module',
    '-e',
    program,
    '--',
    ...argsOf('tiny', to),
  ]);
  expect(again.status).toBe(0);
  expect(leftovers(to)).toEqual([]);
});
