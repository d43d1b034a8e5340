/** Runs that learn from a teacher beside their texts: whole runs of a small model. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { tinyRunModel, writeTinyModel } from '../../../tests/support/tiny-model.js';
import { parseConfig } from '../../config/index.js';
import { listenToLog } from '../../log/index.js';
import { metricTexts } from '../watch/objective-metrics.js';
import { runTraining } from './run.js';
import { type TrainConfig, trainConfigSchema } from './run-config.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-distillation-'));
const dialogues = join(folder, 'dialogues.jsonl');
const preferences = join(folder, 'pairs.jsonl');
let teacher = '';
beforeAll(async () => {
  const lines = (of: (index: number) => object): string =>
    Array.from({ length: 10 }, (_, index) => `${JSON.stringify(of(index))}\n`).join('');
  writeFileSync(
    dialogues,
    lines((index) => ({
      messages: [
        { role: 'user', content: `What is ${index} and one?` },
        { role: 'assistant', content: `It is ${index + 1}, I think.` },
      ],
    })),
  );
  writeFileSync(
    preferences,
    lines((index) => ({ prompt: 'Say.', chosen: `${index}`, rejected: 'no' })),
  );
  teacher = await writeTinyModel();
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(dirname(teacher), { recursive: true });
});

type Section = Record<string, unknown>;

function parse(output: string, objective: Section = {}, changes: Section = {}): TrainConfig {
  const rows = { files: [dialogues], form: 'messages', sequence_length: 64 };
  const { training, data, ...others } = changes;
  return parseConfig(
    trainConfigSchema,
    {
      output: join(folder, output),
      threads: 1,
      model: tinyRunModel(),
      data: { ...rows, ...Object(data) },
      evaluation: { ...rows, every: 4 },
      training: {
        steps: 8,
        micro_batch_size: 2,
        gradient_accumulation_steps: 2,
        learning_rate: 3e-3,
        objective: { loss: 'distillation', teacher, ...objective },
        ...Object(training),
      },
      checkpoints: { every: 4 },
      ...others,
    },
    { source: 'test' },
  );
}

/** What of the metrics does not depend on time. */
function numbers(output: string): Record<string, unknown>[] {
  const timed = /seconds|_per_second|mfu|memory/;
  return readFileSync(join(folder, output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => Object.fromEntries(Object.entries(JSON.parse(line)).filter(([key]) => !timed.test(key))));
}

const lora = { rank: 2, alpha: 4, dropout: 0.2, target_modules: ['.'] };

test.each([
  ['forward', {}, {}],
  ['jsd-lora', { beta: 0.5, temperature: 2, alpha: 1 }, { lora, training: { recompute: 'full' } }],
  ['unpacked', { beta: 1 }, { data: { packing: 'none' } }],
  ['mixed', {}, { training: { precision: 'bfloat16-mixed' } }],
] as const)('%s: learns, and a resumed run gives the same bits', async (name, objective, changes) => {
  const { losses, evaluations } = await runTraining(parse(name, objective, changes));
  expect(losses).toHaveLength(8);
  const lines = numbers(name);
  const [first] = lines;
  expect(first).toMatchObject({ distillation_loss: expect.any(Number), nll_loss: expect.any(Number) });
  const alpha = 'alpha' in objective ? objective.alpha : 0.5;
  const both = alpha * Number(first?.distillation_loss) + (1 - alpha) * Number(first?.nll_loss);
  expect(first?.loss).toBeCloseTo(both, 4);
  expect(lines.at(-1)).toMatchObject({ step: 8, eval_distillation_loss: expect.any(Number) });
  expect(evaluations.at(-1)?.metrics?.distillation_loss).toBeLessThan(
    evaluations[0]?.metrics?.distillation_loss ?? Number.NaN,
  );
  const resumed = `${name}-resumed`;
  cpSync(join(folder, name), join(folder, resumed), { recursive: true });
  for (const gone of ['final', 'adapter', 'checkpoints/step-8'])
    rmSync(join(folder, resumed, gone), { recursive: true, force: true });
  await runTraining(parse(resumed, objective, changes), { resume: 'auto' });
  expect(numbers(resumed)).toEqual(lines);
  const weights = (run: string): Buffer => readFileSync(join(folder, run, 'final/model.safetensors'));
  expect(weights(resumed).equals(weights(name))).toBe(true);
});

test('what the model says itself has no distance, and learning from it alone changes nothing', async () => {
  await runTraining(parse('itself', { alpha: 1 }, { model: { path: teacher } }));
  expect(numbers('itself')[0]).toMatchObject({
    distillation_loss: expect.closeTo(0, 5),
    grad_norm: expect.closeTo(0, 4),
  });
});

test('a checkpoint is as large as without a teacher, and the log tells of it', async () => {
  const lines: string[] = [];
  const stop = listenToLog((line) => lines.push(line));
  await runTraining(parse('log', {}, { training: { steps: 1 } }));
  stop();
  expect(lines.join('\n')).toMatch(/teacher: .*tiny, \d+k? parameters in float32/);
  expect(metricTexts({ distillation_loss: 0.25, nll_loss: 1.5 })).toEqual([
    'teacher 0.250',
    'cross-entropy 1.50',
  ]);
  const files = readdirSync(join(folder, 'log/checkpoints/step-1'), { recursive: true });
  expect(files.join()).not.toContain('teacher');
});

describe('what does not go together is refused before anything is written', () => {
  const refused = (name: string, objective: Section, changes?: Section): Promise<unknown> =>
    (async () => runTraining(parse(name, objective, changes)))();
  test.each([
    ['no teacher', { teacher: undefined }, {}, 'distillation needs a teacher'],
    ['a teacher that is not there', { teacher: 'nowhere' }, {}, 'training.objective.teacher: nowhere'],
    ['beta', { beta: 1.5 }, {}, 'beta is 1.5'],
    ['alpha', { alpha: 0 }, {}, 'training.objective.alpha'],
    ['temperature', { temperature: 0 }, {}, 'training.objective.temperature'],
    ["another loss's key", { label_smoothing: 0.1 }, {}, 'label_smoothing belongs to the loss dpo'],
    [
      'preferences',
      {},
      { data: { files: [preferences], form: 'preference' } },
      'distillation learns from texts and dialogues',
    ],
    ['loss_alignment', {}, { training: { loss_alignment: 'input' } }, 'loss_alignment: input belongs to'],
  ] as const)('%s', async (name, objective, changes, message) => {
    await expect(refused(name, objective, changes)).rejects.toThrow(message);
    expect(readdirSync(folder)).not.toContain(name);
  });

  test('another vocabulary: its size, its tokens', async () => {
    const larger = await writeTinyModel('larger', { vocab_size: 1001 });
    await expect(refused('size', { teacher: larger })).rejects.toThrow(
      'has a vocabulary of 1001 ids, the model one of 1000',
    );
    const other = await writeTinyModel('other');
    cpSync(`${goldenFolder}tokenizers/bbpe_llama3_regex/tokenizer.json`, join(other, 'tokenizer.json'));
    await expect(refused('tokens', { teacher: other })).rejects.toThrow(/id \d+ is ".*" there and ".*" here/);
    const short = await writeTinyModel('short', { max_position_embeddings: 32 });
    await expect(refused('short', { teacher: short })).rejects.toThrow('made for 32 positions');
    for (const path of [larger, other, short]) rmSync(dirname(path), { recursive: true });
  });
});
