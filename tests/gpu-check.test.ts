/** What tools/gpu-check.mjs packs, and what stands for vitest where it is unpacked. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { goldenFolder, goldenModels } from './support/golden.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const program = join(root, 'tools', 'gpu-check.mjs');

/** A module of the check, which has no types beside it. */
const moduleOf = (name: string) => import(new URL(`../tools/gpu-check/${name}`, import.meta.url).href);

describe('bad usage ends with 2, one message and no file', () => {
  test.each([
    { args: [], message: 'the one command is pack; found ""' },
    { args: ['unpack'], message: 'the one command is pack; found "unpack"' },
    { args: ['pack'], message: '--output takes a FILE.tar.gz; found ""' },
    { args: ['pack', '--output', 'check.zip'], message: '--output takes a FILE.tar.gz; found "check.zip"' },
    { args: ['pack', '--output', '/nowhere/c.tar.gz'], message: 'there is no folder /nowhere' },
    {
      args: ['pack', '--output', join(tmpdir(), 'c.tgz'), '--node', '/nowhere/node'],
      message: '--node /nowhere/node: there is no such file',
    },
  ])('$args', ({ args, message }) => {
    const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
    expect([status, stderr.trim().split('\n').length]).toEqual([2, 1]);
    expect(stderr).toContain(message);
  });
});

describe('goldens', () => {
  test('those of every model are packed, with what the tests open', async () => {
    const { isPackedGolden } = await moduleOf('packed-files.mjs');
    for (const model of goldenModels) {
      const files = readdirSync(join(goldenFolder, model)).filter((name) => isPackedGolden(model, name));
      expect(files, model).toEqual(
        expect.arrayContaining(['expected.json', 'expected.safetensors', 'train.json', 'train.safetensors']),
      );
      const named = ['config.json', 'model_config.yaml', 'lora_init.safetensors'].filter((name) =>
        existsSync(join(goldenFolder, model, name)),
      );
      expect(files, model).toEqual(expect.arrayContaining(['model.safetensors', ...named]));
      const text = ['expected.json', 'train.json']
        .map((name) => readFileSync(join(goldenFolder, model, name), 'utf8'))
        .join();
      for (const [, config = ''] of text.matchAll(/"config": ?"([^"]+)"/g)) expect(files).toContain(config);
    }
  });

  test('the tests themselves, bundles and types are not', async () => {
    const { isPackedGolden, isProgramFile } = await moduleOf('packed-files.mjs');
    expect(isPackedGolden('spark', 'megatron.pt')).toBe(false);
    expect(isPackedGolden('tokenizers', 'config.json')).toBe(false);
    expect(isProgramFile('tensor/index.js')).toBe(true);
    expect(['tensor/index.js.map', 'index.d.ts', 'web/index.html'].filter(isProgramFile)).toEqual([]);
  });
});

test('what stands for vitest runs tests in order, and says what was found where one fails', () => {
  const script = `
    import { describe, expect, runTests, test, testCount } from ${JSON.stringify(join(root, 'tools/gpu-check/expectations.mjs'))};
    describe('a', {}, () => {
      test.each(['x', 'y'])('of %s', (value) => expect(value, 'the letter').toBe('x'));
      test.for([{ n: 1 }])('$n', async ({ n }) => { await null; expect(n).toBeLessThanOrEqual(0.5); });
    });
    test('b', () => { expect([1]).toEqual([1]); expect(1).toBeLessThan(2); expect(2).toBeGreaterThanOrEqual(2); });
    test('c', () => expect(Number.NaN).toBeLessThanOrEqual(1));
    console.log(testCount());
    await runTests(({ name, fault }) => console.log(name + ': ' + (fault ?? 'passed')));
  `;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stdout.trim().split('\n')).toEqual([
    '5',
    'a of x: passed',
    'a of y: the letter: "y" is not  "x"',
    'a 1: 1 is not at most 0.5',
    'b: passed',
    'c: null is not at most 1',
  ]);
});

test('a report tells figures, shares and faults', async () => {
  const { decodeSection, goldenSection, machineSection, trainingSection } = await moduleOf('report.mjs');
  const facts = { gpus: ['NVIDIA H200, 580.1, 143771 MiB, 1980 MHz'], cpu: 'c', system: 's', load: '0.1' };
  const whole = { ...facts, device: 'cuda', node: '20', torch: '2.11.0+cu130 13.0', date: 'd' };
  expect(machineSection({ ...whole, setup: { seconds: 30, lines: [] } })).toContain('published 989 TFLOP/s');
  const golden = { seconds: 3, lines: [{ tests: 3 }, { name: 'x' }, { name: 'y', fault: 'far\noff' }] };
  expect(goldenSection('Golden numbers', golden)).toMatchObject({
    isMet: false,
    text: expect.stringMatching(/1 of 3 tests passed, 1 failed, 1 did not run[\s\S]*\| y \| far off \|/),
  });
  expect(goldenSection('Golden numbers', { seconds: 0, lines: [], fault: 'no time' }).isMet).toBe(false);
  const shape = { layers: 4, hidden: 8, ffn: 8, heads: 1, dtype: 'bfloat16', tokens: 4096, context: 512 };
  const side = (extra: object) => ({ seconds: 1, lines: [{ ...shape, ...extra }] });
  const late = { seconds: 60, lines: [], fault: 'ended after its 60 s' };
  const training = trainingSection({
    ours: side({ secondsPerStep: 0.1, flopsPerStep: 6e13 }),
    eager: side({ secondsPerStep: 0.12, flopsPerStep: 6e13 }),
    compiled: late,
  });
  expect(training).toContain('| Xinghe | 100.0 | 40960 | 600.0 | 60.7 % |');
  expect(training).toContain('| PyTorch, torch.compile | ended after its 60 s |');
  expect(training).toContain('bfloat16: 1.20x PyTorch.');
  const decode = decodeSection({
    ours: side({ secondsPerToken: 0.01, weightBytes: 24e9, measuredBandwidth: 4000 }),
    eager: late,
    compiled: late,
  });
  expect(decode).toContain('| bfloat16 | Xinghe | 100.0 | 2400 | 50.0 % | 4000 |');
  expect(decode).toContain('No ratio: one side is missing.');
});
