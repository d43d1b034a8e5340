/** A benchmark from its sides to its Markdown, with mock programs on both sides and a machine that is made up. */
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError, InterruptedError } from '../errors/index.js';
import type { Benchmark } from './benchmark.js';
import type { LoadSample } from './machine/machine-load.js';
import { formatResult } from './report/format-result.js';
import { writeResult } from './report/write-result.js';
import { runSide } from './rounds/run-side.js';
import type { Side } from './rounds/side.js';
import { NotQuietError, type RunEnvironment, runBenchmark } from './run-benchmark.js';

const folder = mkdtempSync(join(tmpdir(), 'bench-test-'));

const script = (name: string, text: string, option?: string): Side => ({
  name,
  command: '/bin/sh',
  args: ['-c', text],
  option,
});

/** A program whose n-th run prints the n-th of these, with a note of the run in a file that all share. */
const programOf = (name: string, lines: readonly string[], option?: string): Side =>
  script(
    name,
    `echo ${name} >> ${folder}/order; n=$(grep -c '^${name}$' ${folder}/order); echo '${lines.join('\n')}' | sed -n "$n p"`,
    option,
  );

const PROBE = {
  readBandwidth: 20,
  copyBandwidth: 10,
  float32Products: 200,
  bfloat16Products: 100,
  threads: 2,
  capability: 'AVX2',
  libtorch: '2.13.0',
};

function environment(loads: readonly LoadSample[] = []): RunEnvironment {
  let taken = 0;
  return {
    cores: 2,
    sampleLoad: async () => loads[taken++] ?? { load: 0.5, busyCores: 0.01 },
    run: async (side, keys, signal) =>
      side.args.includes('probe')
        ? { printed: PROBE, processSeconds: 1, peakMemoryMiB: undefined }
        : await runSide(side, keys, signal),
  };
}

const options = (rest: Partial<Parameters<typeof runBenchmark>[1]> = {}) => ({
  rounds: 3,
  seconds: 60,
  command: 'xinghe bench mock',
  signal: new AbortController().signal,
  environment: environment(),
  ...rest,
});

const benchmark = (rest: Partial<Benchmark> = {}): Benchmark => ({
  subject: 'mock',
  title: 'A mock',
  settings: { size: 3, fast: true },
  metrics: [
    { key: 'speed', title: 'speed', unit: 'GB/s', better: 'higher', limit: 'readBandwidth' },
    { key: 'time', title: 'time', unit: 's', better: 'lower', optional: true },
    { key: 'own', title: 'own', unit: 'x', better: 'lower', ours: true },
  ],
  agreements: [{ key: 'tokens', title: 'number of tokens' }],
  ours: programOf('ours', [
    '{"speed": 10, "time": 3, "own": 1, "tokens": 7}',
    '{"speed": 12, "time": 2, "own": 1, "tokens": 7}',
    '{"speed": 11, "time": 4, "own": 1, "tokens": 7}',
  ]),
  peer: programOf(
    'theirs',
    ['{"speed": 5, "tokens": 7}', '{"speed": 8, "tokens": 7}', '{"speed": 4, "tokens": 7}'],
    '--against theirs',
  ),
  notes: ['A note.'],
  ...rest,
});

test('two sides in turns become a table with ratios, shares and every run', async () => {
  const result = await runBenchmark(benchmark(), options());
  expect(readFileSync(join(folder, 'order'), 'utf8').trim().split('\n')).toEqual([
    'ours',
    'theirs',
    'ours',
    'theirs',
    'ours',
    'theirs',
  ]);
  const [speed, time, own] = result.metrics;
  expect(speed?.ratio).toEqual({ best: 1.5, median: 2.2, least: 1.5, greatest: 2.75 });
  expect(speed?.limit).toEqual({ of: 'readBandwidth', peak: 20, share: 0.6 });
  expect(speed?.values.peer?.values).toEqual([5, 8, 4]);
  expect([time?.values.ours.best, time?.values.peer]).toEqual([2, undefined]);
  expect([own?.values.peer, own?.ratio]).toEqual([undefined, undefined]);
  const text = formatResult(result);
  expect(text).toMatch(/^# A mock, against theirs, \d{4}-\d\d-\d\d \(quiet: yes, load 0\.5\)\n/);
  for (const part of [
    /\| speed, GB\/s +\| 12\.00 \(11\.00, 18 %\) +\| 8\.000 \(5\.000, 80 %\) +\| 1\.50 \(2\.20; 1\.50 to 2\.75\) +\| 60 % of 20\.00 GB\/s \(read bandwidth\) \|/,
    /size 3, fast true\. In each round ours, then theirs/,
    /3 rounds\. More is better: speed\. Less is better: time; own\./,
    /Both sides have the same number of tokens: 7\./,
    /\| 2 +\| theirs \| 0\.5 +\| 0\.01 +\| 8\.000 +\| - +\| - +\|/,
    /xinghe bench mock/,
    /\| float32 products, GFLOP\/s +\| 200\.0 +\| 200\.0 +\|/,
  ])
    expect(text).toMatch(part);
});

test('a peer that does something else is shown', async () => {
  const peer = script('theirs', `echo '{"speed": 1, "tokens": 8}'`, '--against theirs');
  const ours = script('ours', `echo '{"speed": 1, "own": 1, "tokens": 7}'`);
  const result = await runBenchmark(benchmark({ ours, peer }), options({ rounds: 1 }));
  expect(formatResult(result)).toContain(
    'The two sides do not do the same: number of tokens 7 of ours, 8 of theirs.',
  );
});

describe('a load is never called quiet', () => {
  const ours = script('ours', `echo '{"speed": 1, "own": 1}'`);
  const alone = benchmark({ ours, peer: undefined, agreements: [] });
  const quiet = { load: 0.2, busyCores: 0 };
  const busy = { load: 3.14, busyCores: 1.5 };

  test.each([
    ['before', [busy]],
    ['between', [quiet, busy]],
    ['after', [quiet, quiet, busy]],
  ])('%s', async (_, loads) => {
    const result = await runBenchmark(alone, options({ rounds: 2, environment: environment(loads) }));
    expect(result.quiet).toBe(false);
    expect(formatResult(result).split('\n')[0]).toContain('(quiet: no, load 3.1)');
  });

  test('where quiet is required, nothing is run on a loud machine', async () => {
    const loud: RunEnvironment = { ...environment(), sampleLoad: async () => busy };
    const error = await runBenchmark(alone, options({ quietTimeout: 0.01, environment: loud })).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(NotQuietError);
    expect(String(error)).toContain('did not become quiet within 0.01 s (quiet: no, load 3.1');
  });

  test('waiting for quiet can be interrupted', async () => {
    const controller = new AbortController();
    const loud: RunEnvironment = {
      ...environment(),
      sampleLoad: async () => {
        controller.abort();
        return busy;
      },
    };
    const waiting = runBenchmark(
      alone,
      options({ quietTimeout: 600, environment: loud, signal: controller.signal }),
    );
    await expect(waiting).rejects.toBeInstanceOf(InterruptedError);
  });

  test('where quiet is required, it is waited for', async () => {
    const result = await runBenchmark(
      alone,
      options({ rounds: 1, quietTimeout: 60, environment: environment([busy, busy, quiet]) }),
    );
    expect(result.quiet).toBe(true);
  });
});

test('a peer that prints no numbers ends everything with its last lines', async () => {
  const peer = script('theirs', 'echo no model here', '--against theirs');
  const ours = script('ours', `echo '{"speed": 1, "own": 1, "tokens": 7}'`);
  const error = await runBenchmark(benchmark({ ours, peer }), options()).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect(String(error)).toMatch(/--against theirs printed no JSON .*; its last lines:\nno model here$/s);
});

test('a rate is what a process does by its seconds, whatever it prints', async () => {
  const side = (name: string, option?: string) => script(name, `sleep 0.2; echo '{}'`, option);
  const result = await runBenchmark(
    benchmark({
      metrics: [{ key: 'rate', title: 'rate', unit: 'MB/s', better: 'higher' }],
      agreements: [],
      perProcess: { rate: 100 },
      ours: side('ours'),
      peer: side('theirs', '--against theirs'),
    }),
    options({ rounds: 1 }),
  );
  const [run] = result.runs;
  expect(result.metrics[0]?.values.ours.best).toBeCloseTo(100 / (run?.processSeconds ?? 0), 9);
  expect(result.metrics[0]?.values.peer?.best).toBeLessThan(500);
});

test('a cost is held against its law', async () => {
  const law = (exponent: { least: number; greatest: number }) => ({
    sizes: [10, 100].map((size) => ({ size, timeKey: `at ${size}` })),
    unit: 'things',
    expected: 'as many',
    exponent,
  });
  const cost = (exponent: { least: number; greatest: number }): Benchmark =>
    benchmark({
      metrics: [10, 100].map((size) => ({
        key: `at ${size}`,
        title: String(size),
        unit: 'ms',
        better: 'lower',
      })),
      agreements: [],
      ours: script('ours', `echo '{"at 10": 2, "at 100": 20}'`),
      peer: undefined,
      law: law(exponent),
    });
  const result = await runBenchmark(cost({ least: 1, greatest: 1 }), options({ rounds: 2 }));
  expect([result.law?.measured.toFixed(6), result.law?.isAsExpected]).toEqual(['1.000000', true]);
  expect(formatResult(result)).toMatch(/\| 100 +\| 20\.00 \(20\.00, 0\.0 %\) +\| 200\.0 +\| 1\.00/);
  const other = await runBenchmark(cost({ least: 0, greatest: 0 }), options({ rounds: 1 }));
  expect(other.law?.isAsExpected).toBe(false);
  expect(formatResult(other)).toContain('This is NOT as expected.');
});

test('fewer rounds than asked for are said', async () => {
  const ours = script('ours', `sleep 0.1; echo '{"speed": 1, "own": 1}'`);
  const alone = benchmark({ ours, peer: undefined, agreements: [] });
  const result = await runBenchmark(alone, options({ rounds: 50, seconds: 0.05 }));
  expect(formatResult(result)).toContain('1 of 50 rounds: the time that --seconds allows was over.');
});

test('a result in a folder is named by subject, hardware and date', async () => {
  const ours = script('ours', `echo '{"speed": 1, "own": 1}'`);
  const result = await runBenchmark(
    benchmark({ ours, peer: undefined, agreements: [] }),
    options({ rounds: 1 }),
  );
  const results = mkdtempSync(join(tmpdir(), 'bench-results-'));
  const file = await writeResult(result, results);
  expect(readdirSync(results)).toEqual([file.slice(results.length + 1)]);
  expect(file).toMatch(/\/mock_[a-z0-9-]+-avx2_\d{4}-\d\d-\d\d\.md$/);
  expect(readFileSync(file, 'utf8')).toBe(formatResult(result));
  // Another of the same day, with other options perhaps, takes a name of its own.
  expect(await writeResult(result, results)).toBe(file.replace(/\.md$/, '_2.md'));
  expect(await writeResult({ ...result, sides: { ours: 'a', peer: 'llama.cpp' } }, results)).toMatch(
    /\/mock-against-llama\.cpp_/,
  );
  expect(await writeResult({ ...result, date: '2000-01-01' }, file)).toBe(file);
  expect(readFileSync(file, 'utf8')).toContain('2000-01-01');
});
