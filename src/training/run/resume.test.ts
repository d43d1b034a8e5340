/** Runs that are taken up again: the same numbers, bit by bit, as if nothing had happened. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { casesOf, longTest } from '../../../tests/support/long-suite.js';
import { tinyRunModel } from '../../../tests/support/tiny-model.js';
import { parseConfig } from '../../config/index.js';
import { runTraining } from './run.js';
import { type TrainConfig, trainConfigSchema } from './run-config.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-resume-'));
afterAll(() => rmSync(folder, { recursive: true }));

const texts = join(folder, 'texts.jsonl');
beforeAll(() => {
  const lines = Array.from({ length: 60 }, (_, index) =>
    JSON.stringify({ text: `Line ${index} says that ${index * 7} stars are seen. 星河${index}。` }),
  );
  writeFileSync(texts, `${lines.join('\n')}\n`);
});

type Section = Record<string, unknown>;

function config(output: string, changes: Record<string, Section> = {}): TrainConfig {
  const section = (name: string, values: Section): Section => ({ ...values, ...changes[name] });
  return parseConfig(
    trainConfigSchema,
    {
      output: join(folder, output),
      model: section('model', tinyRunModel()),
      data: section('data', { files: [texts], form: 'text', sequence_length: 24 }),
      training: section('training', { steps: 12, micro_batch_size: 2, learning_rate: 3e-3, warmup_steps: 2 }),
      checkpoints: section('checkpoints', { every: 5 }),
      ...(changes.lora !== undefined && { lora: changes.lora }),
      ...(changes.evaluation !== undefined && { evaluation: changes.evaluation }),
    },
    { source: 'test' },
  );
}

type Key = 'loss' | 'grad_norm' | 'learning_rate' | 'tokens' | 'loss_scale' | 'eval_loss';
type Line = { step: number } & { [key in Key]: number | undefined };

/** What of the metrics does not depend on time. */
function numbers(output: string): Line[] {
  const lines = readFileSync(join(folder, output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => {
    const { step, loss, grad_norm, learning_rate, tokens, loss_scale, eval_loss }: Line = JSON.parse(line);
    return { step, loss, grad_norm, learning_rate, tokens, loss_scale, eval_loss };
  });
}

function finalWeights(output: string): Buffer {
  return readFileSync(join(folder, output, 'final', 'model.safetensors'));
}

/** A run that was killed some steps after its checkpoint: what it left, without what came later. */
function killedAfter(step: number, from: string, to: string): void {
  mkdirSync(join(folder, to, 'checkpoints'), { recursive: true });
  cpSync(join(folder, from, 'checkpoints', `step-${step}`), join(folder, to, 'checkpoints', `step-${step}`), {
    recursive: true,
  });
  const lines = readFileSync(join(folder, from, 'metrics.jsonl'), 'utf8').split('\n');
  // Two steps and half a line beyond the checkpoint.
  writeFileSync(join(folder, to, 'metrics.jsonl'), `${lines.slice(0, step + 2).join('\n')}\n{"step": 9, "lo`);
}

const states: readonly [string, Record<string, Section>][] = [
  ['float32', {}],
  [
    'float32 with accumulation and recompute',
    { training: { gradient_accumulation_steps: 2, recompute: 'full' } },
  ],
  ['bfloat16-mixed', { training: { precision: 'bfloat16-mixed' } }],
  ['bfloat16', { training: { precision: 'bfloat16' } }],
  ['float16-mixed', { training: { precision: 'float16-mixed', loss_scale: { initial: 2 ** 8, window: 2 } } }],
  [
    'LoRA with dropout',
    { lora: { rank: 2, alpha: 4, dropout: 0.2, target_modules: ['q_proj', 'down_proj'] } },
  ],
  [
    'DoRA, rsLoRA and LoRA+',
    {
      lora: {
        rank: 2,
        alpha: 4,
        target_modules: ['v_proj'],
        dora: true,
        rank_stabilized: true,
        plus_ratio: 4,
      },
    },
  ],
  ['written behind the training', { checkpoints: { async: true } }],
];

describe.each(casesOf(states, ([name]) => name !== 'bfloat16'))('%s', (name, changes) => {
  const whole = name.replaceAll(/[ ,+]+/g, '-');
  test('5 steps, then 7 more, equal 12 at once, bit by bit', async () => {
    await runTraining(config(whole, changes));
    expect(readdirSync(join(folder, whole, 'checkpoints'))).toEqual(['step-10', 'step-12', 'step-5']);
    killedAfter(5, whole, `${whole}-again`);
    await runTraining(config(`${whole}-again`, changes), { resume: 'auto' });
    expect(numbers(`${whole}-again`)).toEqual(numbers(whole));
    expect(numbers(whole).map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, step) => step + 1));
    expect(finalWeights(`${whole}-again`).equals(finalWeights(whole))).toBe(true);
  });
});

longTest('the loss falls, and does in every precision', async () => {
  for (const precision of ['float32', 'bfloat16-mixed', 'float16-mixed']) {
    const output = `falls-${precision}`;
    const scale = precision === 'float16-mixed' ? { loss_scale: { initial: 2 ** 12 } } : {};
    await runTraining(config(output, { training: { steps: 30, precision, ...scale } }));
    const losses = numbers(output).map(({ loss }) => loss ?? Number.NaN);
    const mean = (part: number[]): number => part.reduce((sum, loss) => sum + loss, 0) / part.length;
    expect(mean(losses.slice(-5)), precision).toBeLessThan(0.8 * mean(losses.slice(0, 5)));
  }
});

test('evaluation, the best weights at the end, old checkpoints removed', async () => {
  const changes = {
    evaluation: { files: [texts], form: 'text', sequence_length: 24, every: 4, max_rows: 10 },
    checkpoints: { every: 3, keep_last: 2, keep_every: 9, keep_best: true },
    training: { steps: 20, learning_rate: 0.2, schedule: 'constant' },
  };
  const { evaluations, progress } = await runTraining(config('best', changes));
  expect(evaluations.map(({ step }) => step)).toEqual([4, 8, 12, 16, 20]);
  const lowest = evaluations.reduce((best, record) => (record.loss < best.loss ? record : best));
  expect(progress.best).toEqual({ step: lowest.step, loss: lowest.loss });
  const kept = readdirSync(join(folder, 'best', 'checkpoints'));
  expect(kept).toContain(`step-${lowest.step}`);
  expect(kept).toContain('step-9');
  expect(kept.length).toBeLessThanOrEqual(5);
  const saved = join(folder, 'best', 'checkpoints', `step-${lowest.step}`, 'model.safetensors');
  expect(readFileSync(saved).equals(finalWeights('best'))).toBe(true);
  expect(numbers('best').filter(({ eval_loss }) => eval_loss !== undefined).length).toBe(5);
});

describe('what cannot be resumed is refused', () => {
  test.each<[string, Record<string, Section>, RegExp]>([
    [
      'another batch size',
      { training: { micro_batch_size: 4 } },
      /a number of rows a step of 2, this one has 4/,
    ],
    ['another number of steps', { training: { steps: 14 } }, /a run of 12 steps, this one has 14/],
    ['other data', { data: { sequence_length: 16 } }, /a number of rows of/],
    [
      'another model',
      { model: { config: tinyRunModel({ hidden_size: 64 }).config } },
      /is \[.*\] there, \[.*\] here/,
    ],
  ])('%s', async (name, changes, message) => {
    const output = `refused-${name.replaceAll(/[ ,+]+/g, '-')}`;
    killedAfter(5, 'float32', output);
    await expect(runTraining(config(output, changes), { resume: 'auto' })).rejects.toThrow(message);
  });

  test('a folder without checkpoints, and a run that is there already', async () => {
    await expect(runTraining(config('nothing'), { resume: join(folder, 'nothing') })).rejects.toThrow(
      /training-state\.json/,
    );
    await expect(runTraining(config('float32'))).rejects.toThrow(/holds a run already.*--resume/);
  });

  test('a damaged checkpoint is passed over for an older one', async () => {
    mkdirSync(join(folder, 'damaged'), { recursive: true });
    cpSync(join(folder, 'float32', 'checkpoints'), join(folder, 'damaged', 'checkpoints'), {
      recursive: true,
    });
    for (const step of ['step-10', 'step-12']) {
      const file = join(folder, 'damaged', 'checkpoints', step, 'optimizer.safetensors');
      const bytes = readFileSync(file);
      bytes[bytes.length - 9]! ^= 1;
      writeFileSync(file, bytes);
    }
    await runTraining(config('damaged'), { resume: 'auto' });
    expect(numbers('damaged')[0]?.step).toBe(6);
    expect(finalWeights('damaged').equals(finalWeights('float32'))).toBe(true);
  });
});
