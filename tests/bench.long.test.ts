/** Every verb of `xinghe bench` on tiny sizes: really measured, by the compiled program; and Ctrl-C, after which nothing is left. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { startCli } from './support/cli-process.js';
import { referencePython } from './support/reference.js';
import { requiresPython } from './support/requires.js';

const folder = mkdtempSync(join(tmpdir(), 'bench-long-'));
const temporary = join(folder, 'tmp');
mkdirSync(temporary);
vi.stubEnv('TMPDIR', temporary);

const TINY = 'layers=2,hidden=64,ffn=96,heads=4,vocab=400';

interface Result {
  readonly subject: string;
  readonly runs: readonly { readonly round: number; readonly side: number }[];
  readonly metrics: readonly {
    readonly key: string;
    readonly values: { readonly ours: { readonly best: number } };
    readonly ratio?: { readonly best: number };
  }[];
}

async function bench(command: string, more: readonly string[] = []): Promise<Result> {
  const args = ['bench', ...command.split(' '), '--json', ...more];
  const { code, stdout, stderr } = await startCli(args).exit;
  expect([code, stderr.slice(-2000)]).toEqual([0, expect.any(String)]);
  expect(readdirSync(temporary)).toEqual([]);
  return JSON.parse(stdout);
}

test.each([
  [`train --size ${TINY} --batch 2 --length 16 --steps 3 --rounds 2`, 'tokensPerSecond'],
  [
    `train --size ${TINY} --batch 2 --length 16 --steps 3 --rounds 1 --lora 2 --recompute --dtype bfloat16-mixed`,
    'gflopsPerSecond',
  ],
  [`decode --size ${TINY} --prompt 8 --new 4 --sequences 2 --rounds 1`, 'weightGBPerSecond'],
  [`prompt --size ${TINY} --prompt 16 --rounds 1`, 'promptTokensPerSecond'],
  [`prompt --size ${TINY} --from-start --rounds 1`, 'processSeconds'],
  [`prompt --size ${TINY} --cached --prompt 64 --rounds 1`, 'againMs'],
  [`serve --size ${TINY} --streams 70 --new 4 --repetitions 1 --rounds 1`, 'shareOfBare'],
  ['tokenizer --megabytes 0.2 --rounds 1', 'megabytesPerSecond'],
  ['tokenizer --megabytes 0.2 --train byte-level-bpe --vocab-size 400 --rounds 1', 'trainSeconds'],
  [`convert --size ${TINY} --to bfloat16 --rounds 2`, 'megabytesPerSecond'],
  [`convert --size ${TINY} --to ranks --rounds 2`, 'peakMemoryMiB'],
  ['data --megabytes 0.2 --seq-length 127 --rounds 2', 'recordsPerSecond'],
  ['op --calls 200 --repetitions 1 --rounds 1', 'addNanoseconds'],
  ['op --linear --rounds 1', '256x512x512 forward'],
  [`cost context --size ${TINY} --rounds 1`, 'ms at 4096'],
  [`cost batch --size ${TINY} --rounds 1`, 'ms at 32'],
  [`cost queue --size ${TINY} --rounds 1`, 'ms at 8000'],
  ['cost rows --rounds 1', 'ms at 64000'],
  ['cost model-size --rounds 1', 'ms at 32'],
])('%s', async (command, key) => {
  const { metrics, runs } = await bench(command);
  expect(metrics.find((metric) => metric.key === key)?.values.ours.best).toBeGreaterThan(0);
  expect(runs[0]).toMatchObject({ round: 1, side: 0 });
});

const python = referencePython();

test.each([
  [`train --size ${TINY} --batch 2 --length 16 --steps 3 --against pytorch`, 'tokensPerSecond'],
  [`train --size ${TINY} --batch 2 --length 16 --steps 3 --lora 2 --against pytorch`, 'tokensPerSecond'],
  ['op --calls 200 --repetitions 1 --against pytorch', 'addNanoseconds'],
  ['tokenizer --megabytes 0.2 --against tokenizers', 'megabytesPerSecond'],
  ['tokenizer --megabytes 0.2 --against sentencepiece', 'megabytesPerSecond'],
  ['tokenizer --megabytes 0.2 --train byte-level-bpe --vocab-size 400 --against tokenizers', 'trainSeconds'],
  [
    'tokenizer --megabytes 0.2 --train sentencepiece-bpe --vocab-size 900 --against sentencepiece',
    'trainSeconds',
  ],
  [`convert --size ${TINY} --to ranks --against safetensors`, 'megabytesPerSecond'],
  [`convert --size ${TINY} --to bin --against safetensors`, 'megabytesPerSecond'],
])('%s', requiresPython(python), async (command, key) => {
  const { metrics, runs } = await bench(command, ['--rounds', '2', '--python', python ?? '']);
  expect(runs.map(({ side }) => side)).toEqual([0, 1, 0, 1]);
  expect(metrics.find((metric) => metric.key === key)?.ratio?.best).toBeGreaterThan(0);
});

test('data against datasets', requiresPython(referencePython('trl'), 'trl'), async () => {
  const { metrics } = await bench('data --megabytes 0.2 --rounds 1 --against datasets', [
    '--python',
    referencePython('trl') ?? '',
  ]);
  expect(metrics.find(({ key }) => key === 'megabytesPerSecond')?.ratio?.best).toBeGreaterThan(0);
});

test('a program of the user takes part, and its last lines are shown where it fails', async () => {
  const program = join(folder, 'peer.mjs');
  writeFileSync(
    program,
    `console.log(JSON.stringify({ decodeTokensPerSecond: process.argv[2].endsWith('.gguf') ? 1 : 0 }))`,
  );
  const args = `decode --size ${TINY} --prompt 8 --new 4 --rounds 2 --against ${program}`;
  const { metrics, runs } = await bench(args, ['--output', folder]);
  expect(runs.map(({ side }) => side)).toEqual([0, 1, 0, 1]);
  expect(metrics[0]?.ratio?.best).toBe(metrics[0]?.values.ours.best);
  const written = readdirSync(folder).find((name) => name.startsWith('decode_'));
  expect(readFileSync(join(folder, written ?? ''), 'utf8')).toMatch(
    /^# Decode, .* against peer\.mjs, .*quiet: /,
  );
  writeFileSync(program, `console.log('one'); console.error('no weights'); process.exit(4)`);
  const { code, stderr, stdout } = await startCli(['bench', ...args.split(' ')]).exit;
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/--against \S+peer\.mjs ended with exit code 4; its last lines:\nno weights\n$/);
  expect(readdirSync(temporary)).toEqual([]);
});

test.each([
  ['while the model is written', 'decode --size 1.3b', 300],
  ['while it measures', `decode --size ${TINY} --new 4000 --rounds 1000`, 6000],
])('Ctrl-C %s leaves nothing behind', async (_, command, milliseconds) => {
  const { child, exit } = startCli(['bench', ...command.split(' ')]);
  for (let waited = 0; readdirSync(temporary).length === 0 && waited < 60_000; waited += 20)
    await setTimeout(20);
  await setTimeout(milliseconds);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await exit;
  expect([code, stdout]).toEqual([130, '']);
  expect(stderr).toMatch(/xinghe: bench: interrupted/);
  expect(readdirSync(temporary)).toEqual([]);
  expect(spawnSync('pgrep', ['-f', temporary], { encoding: 'utf8' }).stdout).toBe('');
});

test('a loud machine is not called quiet, and with --require-quiet nothing is measured', async () => {
  const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  try {
    await setTimeout(500);
    const { code, stdout, stderr } = await startCli([
      ...['bench', 'op', '--calls', '200', '--rounds', '1', '--require-quiet', '--quiet-timeout', '2'],
    ]).exit;
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/the machine did not become quiet within 2 s \(quiet: no, load \d/);
    expect(stderr).not.toMatch(/\n\s+at /);
  } finally {
    busy.kill('SIGKILL');
  }
});
