import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  sparkConfig,
  telechat52bConfig,
  telechatConfig,
  xverseConfig,
} from '../../tests/support/plan-configs.js';
import { plan } from './plan.js';

const sizes = { layers: 2, hidden: 64, intermediate: 128, heads: 2, vocab: 256 };
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xinghe-plan-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]): Promise<string> => runTo(0, ...args);

/** @param code 0 for a run that fits, 2 for one that does not */
async function runTo(code: number, ...args: string[]): Promise<string> {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  expect(await plan(args)).toBe(code);
  const text = written.mock.calls.map(([piece]) => String(piece)).join('');
  written.mockRestore();
  return text;
}

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

describe('xinghe plan', () => {
  it.each([
    ['xverse', xverseConfig(sizes)],
    ['telechat', telechatConfig(sizes)],
    ['telechat52b', telechat52bConfig(sizes)],
    ['spark', sparkConfig(sizes)],
  ])('plans a model of the family %s', async (family, config) => {
    const text = await run('--config-json', file('config.json', config), '--peak-gflops', '100');
    expect(text).toMatch(new RegExp(`^${family}, `));
    expect(text).toMatch(/ peak +\S+ MB {2}fits into/);
    expect(text).not.toContain('each billion');
    expect(text).toMatch(/at 85 % of 100 GFLOP\/s: .* a step of 4096 tokens/);
  });

  it('takes the configuration of a run; options override it', async () => {
    const config = file('run.json', {
      output: join(folder, 'run'),
      model: { config: xverseConfig(sizes), tokenizer: 'none' },
      data: { files: ['none.jsonl'], form: 'text', sequence_length: 64 },
      lora: { rank: 4, target_modules: ['q_proj'] },
      training: { steps: 3, micro_batch_size: 2, recompute: { every: 2 } },
    });
    const read = async (...args: string[]): Promise<Record<string, unknown>> =>
      JSON.parse(await run('--config', config, '--json', '--peak-gflops', '100', ...args));
    expect(await read()).toMatchObject({ tokens_per_step: 128, trained_parameters: 2 * 4 * 128, fits: true });
    expect(await read('--set', 'training.micro_batch_size=4')).toMatchObject({ tokens_per_step: 256 });
    const small = ['--sequence-length', '32', '--memory-gb', '0.001', '--json', '--peak-gflops', '100'];
    expect(JSON.parse(await runTo(2, '--config', config, ...small))).toMatchObject({
      tokens_per_step: 64,
      fits: false,
    });
  });

  it('takes a section out of the configuration', async () => {
    const config = file('run.json', {
      output: join(folder, 'run'),
      model: { config: xverseConfig(sizes), tokenizer: 'none' },
      data: { files: ['none.jsonl'], form: 'text', sequence_length: 64 },
      lora: { rank: 4, target_modules: ['q_proj'] },
      training: { steps: 3, micro_batch_size: 2 },
    });
    const text = await run('--config', config, '--json', '--peak-gflops', '100', '--set', 'lora=null');
    const { parameters, trained_parameters } = JSON.parse(text);
    expect(trained_parameters).toBe(parameters);
  });

  it('advises what helps: nothing smaller helps where the weights alone do not fit', async () => {
    const config = file(
      'config.json',
      xverseConfig({ ...sizes, hidden: 1024, intermediate: 4096, layers: 8 }),
    );
    const adviceFor = async (gigabytes: number, ...args: string[]): Promise<string> =>
      (
        await runTo(
          2,
          '--config-json',
          config,
          '--peak-gflops',
          '1',
          '--memory-gb',
          String(gigabytes),
          ...args,
        )
      )
        .split('\n')
        .find((line) => line.includes('DOES NOT FIT')) ?? '';
    expect(await adviceFor(0.001)).toMatch(
      /the weights alone take \d+ MB; take a machine or device with more than/,
    );
    expect(await adviceFor(0.001)).not.toMatch(/recompute|micro-batch/);
    const { process: program, weights } = JSON.parse(
      await run('--config-json', config, '--json', '--peak-gflops', '1'),
    );
    const between = (program + weights * 0.75) / 1e9;
    expect(await adviceFor(between)).toMatch(/the weights alone take .*; try --precision bfloat16$/);
    expect(await adviceFor((program + weights * 1.5) / 1e9)).toMatch(/; try --recompute full/);
  });

  it('plans a recipe whose weights and rows are not here', async () => {
    const shape = file('config.json', xverseConfig(sizes));
    const config = file('run.json', {
      output: join(folder, 'run'),
      model: { path: 'weights/absent' },
      data: { dataset: 'data/absent' },
      training: { steps: 3 },
    });
    await expect(plan(['--config', config])).rejects.toThrow(
      /model\.path: weights\/absent does not exist; .* --config-json FILE/,
    );
    await expect(plan(['--config', config, '--config-json', shape])).rejects.toThrow(
      /data\.dataset: data\/absent does not exist; give the length of its rows with --sequence-length N/,
    );
    const text = await run(
      '--config',
      config,
      '--config-json',
      shape,
      '--sequence-length',
      '64',
      '--peak-gflops',
      '1',
    );
    expect(text).toMatch(/^xverse, .* 4 rows of 64 tokens/);
  });

  it.each(['all', 'all-linear', ['all-linear']])(
    'target_modules: %j are the layers of the blocks',
    async (targets) => {
      const settings = (target_modules: unknown) => ({
        output: join(folder, 'run'),
        model: { config: xverseConfig(sizes), tokenizer: 'none' },
        data: { files: ['none.jsonl'], form: 'text', sequence_length: 64 },
        lora: { rank: 4, target_modules },
        training: { steps: 3 },
      });
      const trained = async (name: string, target_modules: unknown): Promise<unknown> =>
        JSON.parse(
          await run('--config', file(name, settings(target_modules)), '--json', '--peak-gflops', '1'),
        ).trained_parameters;
      expect(await trained('all.json', targets)).toBe(
        await trained('each.json', [
          'q_proj',
          'k_proj',
          'v_proj',
          'o_proj',
          'gate_proj',
          'up_proj',
          'down_proj',
        ]),
      );
    },
  );

  it('refuses what contradicts itself or is not there', async () => {
    const config = file('config.json', xverseConfig(sizes));
    await expect(plan([])).rejects.toThrow(/give one of --config, --model and --config-json, got 0/);
    await expect(plan(['--config-json', config, '--model', folder])).rejects.toThrow(/got 2/);
    await expect(plan(['--config-json', config, '--recompute', 'some'])).rejects.toThrow(
      /--recompute is "some"/,
    );
    await expect(
      plan(['--config-json', config, '--lora-rank', '2', '--lora-target', 'nope']),
    ).rejects.toThrow(/"nope": no linear layer has it in its name; there are .*q_proj/);
    await expect(plan(['--config-json', config, '--lora-target', 'q_proj'])).rejects.toThrow(
      /--lora-target says which layers .* give --lora-rank N too/,
    );
    await expect(plan(['--config-json', join(folder, 'absent.json')])).rejects.toThrow(/absent\.json/);
  });
});
