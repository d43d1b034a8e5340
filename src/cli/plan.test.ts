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

async function run(...args: string[]): Promise<string> {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  expect(await plan(args)).toBe(0);
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
    expect(await read('--sequence-length', '32', '--memory-gb', '0.001')).toMatchObject({
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
    await expect(plan(['--config-json', join(folder, 'absent.json')])).rejects.toThrow(/absent\.json/);
  });
});
