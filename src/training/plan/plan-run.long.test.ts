import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  llamaConfig,
  measureTraining,
  sparkConfig,
  telechatConfig,
  xverseConfig,
} from '../../../tests/support/plan-configs.js';
import { requiresSmolLm2, smolLm2Path } from '../../../tests/support/smollm2.js';
import type { PlanOptions } from './plan-run.js';

const allLinear = { rank: 8, targets: [''] };
const smolLm2 = { layers: 30, hidden: 576, intermediate: 1536, heads: 9, kvHeads: 3, vocab: 49_152 };
const sizes = { layers: 8, hidden: 512, intermediate: 1376, heads: 8, vocab: 8000 };

describe('the planned peak of memory, 33M parameters, 8 x 256 tokens', () => {
  it.each<[string, Record<string, unknown>, Partial<PlanOptions>]>([
    ['xverse float32', xverseConfig(sizes), {}],
    ['xverse float32, recompute', xverseConfig(sizes), { recompute: 'full' }],
    ['xverse float32, LoRA', xverseConfig(sizes), { lora: { rank: 8, targets: [''] } }],
    [
      'xverse float32, LoRA, recompute',
      xverseConfig(sizes),
      { recompute: 'full', lora: { rank: 8, targets: [''] } },
    ],
    ['xverse float32, two micro-batches', xverseConfig(sizes), { accumulation: 2 }],
    ['xverse bfloat16', xverseConfig(sizes), { precision: 'bfloat16' }],
    ['xverse bfloat16 with masters', xverseConfig(sizes), { precision: 'bfloat16-mixed' }],
    [
      'telechat float32',
      telechatConfig({ ...sizes, hidden: 640, intermediate: 1600, heads: 4, vocab: 12_000 }),
      {},
    ],
    ['spark float32', sparkConfig(sizes), {}],
    ['spark bfloat16 with masters', sparkConfig(sizes), { precision: 'bfloat16-mixed' }],
    ['spark float32, recompute', sparkConfig(sizes), { recompute: 'full' }],
    ['SmolLM2-135M float32, LoRA', llamaConfig(smolLm2), { microBatchSize: 2, lora: allLinear }],
    ['SmolLM2-135M float32', llamaConfig(smolLm2), { microBatchSize: 1 }],
  ])('is right within five percent: %s', (_, config, options) => {
    const { planned, measured, phase } = measureTraining(config, {
      precision: 'float32',
      length: 256,
      microBatchSize: 8,
      recompute: 'none',
      ...options,
    });
    const error = (100 * (measured - planned)) / planned;
    console.log(
      `planned ${(planned / 2 ** 20).toFixed(0)} MiB (${phase}), measured ${(measured / 2 ** 20).toFixed(0)} MiB, ${error.toFixed(1)} %`,
    );
    expect(Math.abs(error), `${error.toFixed(1)} %`).toBeLessThan(5);
  });
});

describe('the planned peak of memory, rows of varying length', () => {
  const sizes = { layers: 4, hidden: 512, intermediate: 1376, heads: 8, vocab: 8000 };
  const onednn = { XINGHE_LINEAR: 'onednn' };
  it.each<[string, Record<string, unknown>, Partial<PlanOptions>, Record<string, string>]>([
    ['xverse float32, by oneDNN', xverseConfig(sizes), {}, onednn],
    ['xverse float32, as this machine multiplies', xverseConfig(sizes), {}, {}],
    ['xverse bfloat16', xverseConfig(sizes), { precision: 'bfloat16' }, {}],
    ['telechat bfloat16 with masters', telechatConfig(sizes), { precision: 'bfloat16-mixed' }, {}],
    ['spark float32, two micro-batches', sparkConfig(sizes), { accumulation: 2 }, onednn],
    ['xverse float32, LoRA', xverseConfig(sizes), { lora: { rank: 8, targets: [''] } }, onednn],
  ])('is right within five percent after 40 steps: %s', (_, config, options, environment) => {
    const { planned, measured, phase } = measureTraining(
      config,
      {
        precision: 'float32',
        length: 256,
        microBatchSize: 2,
        recompute: 'none',
        steps: 40,
        varying: true,
        ...options,
      },
      environment,
    );
    const error = (100 * (measured - planned)) / planned;
    console.log(
      `planned ${(planned / 2 ** 20).toFixed(0)} MiB (${phase}), measured ${(measured / 2 ** 20).toFixed(0)} MiB, ${error.toFixed(1)} %`,
    );
    expect(Math.abs(error), `${error.toFixed(1)} %`).toBeLessThan(5);
  });
});

/** The model is unpacked from a GGUF, its tokenizer and rows are JavaScript's: none of them may stay beside what is counted. */
describe('the planned peak of memory of a run from files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-planned-run-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const texts = join(folder, 'texts.jsonl');
  writeFileSync(
    texts,
    Array.from({ length: 200 }, (_, index) =>
      JSON.stringify({ text: `${index} is a number. `.repeat(20) }),
    ).join('\n'),
  );
  const root = fileURLToPath(new URL('../../../', import.meta.url));

  it.each([
    ['dialogues', []],
    [
      'texts of 512',
      [`data.files=["${texts}"]`, 'data.form=text', 'data.sequence_length=512', 'data.packing=greedy'],
    ],
  ])('is right within five percent: SmolLM2-135M from a GGUF, LoRA, %s', requiresSmolLm2, (name, changes) => {
    const settings = [
      `model.path=${smolLm2Path}`,
      `output=${join(folder, name)}`,
      'training.steps=8',
      ...changes,
    ];
    const { stderr, status } = spawnSync(
      process.execPath,
      ['bin/xinghe', 'train', '--config', 'recipes/smollm2-lora.yaml', '--set', ...settings],
      { cwd: root, encoding: 'utf8', env: { ...process.env, OMP_NUM_THREADS: '2' } },
    );
    expect(status, stderr).toBe(0);
    const said = /peak memory: planned .*, measured .* \(([+-][\d.]+) %\)/.exec(stderr);
    console.log(said?.[0]);
    expect(Math.abs(Number(said?.[1])), stderr).toBeLessThan(5);
  });
});
