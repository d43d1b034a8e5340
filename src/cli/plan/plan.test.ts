import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  sparkConfig,
  telechat52bConfig,
  telechatConfig,
  xverseConfig,
} from '../../../tests/support/plan-configs.js';
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

describe('xinghe plan of ranks', () => {
  const shape = () => file('config.json', xverseConfig({ ...sizes, layers: 6 }));
  const flags = ['--peak-gflops', '100', '--gradient-accumulation-steps', '8'];

  it('has a line for each stage, and reports the fullest', async () => {
    const options = [
      '--config-json',
      shape(),
      ...flags,
      '--parallel',
      'pipeline=3',
      'tensor=2',
      '--devices',
      '12',
    ];
    const text = await run(...options);
    expect(text).toMatch(/the ranks of stage 1, the fullest of 12 \(data 2, tensor 2, pipeline 3, zero 0\)/);
    expect(text).toMatch(/stage {2}1 {2}embedding, blocks 1-2 /);
    expect(text).toMatch(/stage {2}2 {2}blocks 3-4 /);
    expect(text).toMatch(/stage {2}3 {2}blocks 5-6, head /);
    const { stages, fullest_stage, peak_bytes, ranks, layout } = JSON.parse(await run(...options, '--json'));
    expect(stages).toHaveLength(3);
    expect(Math.max(...stages.map((stage: { peak_bytes: number }) => stage.peak_bytes))).toBe(peak_bytes);
    expect(stages[fullest_stage].peak_bytes).toBe(peak_bytes);
    expect(ranks).toBe(12);
    expect(layout).toMatchObject({ data: 2, tensor: 2, pipeline: 3, schedule: '1f1b', context: 1 });
  });

  it('looks at every axis, and says what a layout is as a configuration does', async () => {
    const options = ['--config-json', shape(), ...flags, '--layout', 'auto', '--devices', '4'];
    const { layouts, chosen } = JSON.parse(await run(...options, '--json'));
    const has = (key: string) => layouts.some((layout: Record<string, number>) => (layout[key] ?? 1) > 1);
    for (const axis of ['data', 'tensor', 'pipeline', 'context', 'chunks', 'zero'])
      expect(has(axis), axis).toBe(true);
    expect(layouts[0]).toMatchObject(chosen);
    expect(await run(...options)).toMatch(
      /the fastest that fits: parallel: \{ data: \d, zero: \d, tensor: \d/,
    );
    const small = await runTo(2, ...options, '--device-memory', '1MB');
    expect(small).toMatch(/DOES NOT FIT/);
  });

  it.each<[string[], RegExp]>([
    [['--parallel', 'tensor=3'], /parallel\.tensor is 3, and the model has 2 heads/],
    [['--parallel', 'context=3'], /parallel\.context is 3, and the model has 2 heads.* what fits is 1, 2/],
    [
      ['--parallel', 'pipeline=7'],
      /parallel\.pipeline is 7, and the model has 6 blocks.* what fits is 1 to 6/,
    ],
    [
      ['--parallel', 'pipeline=4', 'schedule=interleaved'],
      /pipeline is 4 in 2 pieces each.* what fits is 1 to 3/,
    ],
    [['--parallel', 'sequence=true'], /sequence goes with tensor/],
    [['--parallel', 'stages=2'], /--parallel: stages/],
    [['--parallel', 'pipeline=2', '--devices', '3'], /--devices 3: .* give a multiple of 2/],
    [['--parallel', 'data=2', 'tensor=2', '--devices', '8'], /are another number \(4\)/],
    [['--layout', 'auto', '--parallel', 'tensor=2'], /give one of them/],
    [['--trial', '2'], /--layout auto; give that too/],
    [['--layout', 'auto', '--trial', '2'], /give --config FILE/],
    [['--trial-steps', '3'], /give --trial too/],
    [['--kv-dtype', 'int8'], /--kv-dtype is about generation/],
    [['--quantize', 'int4'], /integers are not trained; give --lora-rank N/],
    [['--group-size', '64', '--lora-rank', '2'], /give --quantize int4 or int8 too/],
    [
      ['--quantize', 'int4', '--lora-rank', '2', '--group-size', '128'],
      /--group-size 128: it does not divide the 64 inputs/,
    ],
    [
      ['--quantize', 'int4', '--lora-rank', '2', '--group-size', '100'],
      /xinghe plan: --group-size 100: give a multiple/,
    ],
  ])('refuses %j', async (options, message) => {
    await expect(plan(['--config-json', shape(), '--peak-gflops', '1', ...options])).rejects.toThrow(message);
  });
});

describe('xinghe plan --for generation', () => {
  it('counts weights, pages, a step and the program', async () => {
    const config = file('config.json', { ...xverseConfig(sizes), torch_dtype: 'bfloat16' });
    const options = ['--for', 'generation', '--config-json', config];
    const read = async (...more: string[]) => JSON.parse(await run(...options, '--json', ...more));
    const one = await read();
    expect(one).toMatchObject({
      dtype: 'bfloat16',
      weights: 2 * one.parameters,
      integer_parameters: 0,
      fits: true,
    });
    expect((await read('--max-sequences', '3')).kv_cache).toBe(3 * one.kv_cache);
    expect((await read('--dtype', 'float32')).weights).toBe(2 * one.weights);
    const int4 = await read('--quantize', 'int4', '--group-size', '32');
    expect(int4.integer_bytes).toBe(int4.integer_parameters * (1 / 2 + 3 / 32));
    expect((await read('--devices', '2')).kv_cache).toBe(one.kv_cache / 2);
    expect(await run(...options)).toMatch(
      /^xverse, .* generation\n {2}weights .* bfloat16\n {2}KV cache .* a text of 1024 tokens/,
    );
  });

  it('says what would fit', async () => {
    const config = file(
      'config.json',
      xverseConfig({ ...sizes, heads: 8, hidden: 512, intermediate: 2048, layers: 8 }),
    );
    const options = ['--for', 'generation', '--config-json', config, '--max-sequences', '8'];
    const { peak_bytes, kv_cache, weights } = JSON.parse(await run(...options, '--json'));
    const adviceFor = async (bytes: number) =>
      (await runTo(2, ...options, '--memory-gb', String(bytes / 1e9))).match(/DOES NOT FIT.*/)?.[0];
    expect(await adviceFor(peak_bytes - kv_cache / 2)).toMatch(
      /what fits: --kv-dtype int8, or --max-sequences \d, or --sequence-length \d+/,
    );
    expect(await adviceFor(peak_bytes - weights / 2)).toMatch(/--quantize int8/);
    expect(await adviceFor(1e6)).toMatch(/take a machine or device with more than/);
  });

  it.each<[string[], RegExp]>([
    [['--devices', '3'], /--devices is 3, and the model has 2 heads/],
    [['--lora-rank', '2'], /--lora-rank is about training/],
    [['--parallel', 'tensor=2'], /--parallel is about training/],
    [['--group-size', '64'], /give --quantize int4 or int8 too/],
    [['--sequence-length', '99999999'], /--sequence-length 99999999: the model is made for/],
  ])('refuses %j', async (options, message) => {
    const config = file('config.json', { ...xverseConfig(sizes), max_position_embeddings: 2048 });
    await expect(plan(['--for', 'generation', '--config-json', config, ...options])).rejects.toThrow(message);
  });
});
