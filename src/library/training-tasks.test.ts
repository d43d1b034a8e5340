/** Evaluation tasks during training: told, shown, and without a trace in what is learned. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { writeSets } from '../../tests/support/evaluation-sets.js';
import { tinyRunModel } from '../../tests/support/tiny-model.js';
import { main } from '../cli/main.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-training-tasks-'));
const sets = writeSets(join(folder, 'sets'));
const texts = join(folder, 'texts.jsonl');
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => {
  const lines = Array.from({ length: 60 }, (_, index) =>
    JSON.stringify({ text: `Line ${index} says that ${index * 7} stars are seen. 星河${index}。` }),
  );
  writeFileSync(texts, `${lines.join('\n')}\n`);
});

let errors = '';
beforeEach(() => {
  errors = '';
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += String(text);
    return true;
  });
});

type Section = Record<string, unknown>;

const TASKS = {
  every: 4,
  tasks: [
    { task: 'arc-easy', mode: 'loglikelihood' },
    { task: 'mmlu', shots: 0, limit: 6 },
    { task: 'gsm8k', mode: 'generate', shots: 0, limit: 1, max_new_tokens: 4 },
  ],
  tasks_data: sets,
};

function writeConfig(output: string, changes: Record<string, Section | undefined> = {}): string {
  const path = join(folder, `${output}.json`);
  const section = (name: string, values: Section): Section => ({ ...values, ...changes[name] });
  writeFileSync(
    path,
    JSON.stringify({
      output: join(folder, output),
      model: tinyRunModel(),
      data: { files: [texts], form: 'text', sequence_length: 24 },
      deterministic: true,
      training: section('training', { steps: 10, micro_batch_size: 2, learning_rate: 3e-3 }),
      checkpoints: { every: 4 },
      ...(changes.lora !== undefined && { lora: changes.lora }),
      ...(changes.evaluation !== undefined && { evaluation: changes.evaluation }),
      ...(changes.watch !== undefined && { watch: changes.watch }),
    }),
  );
  return path;
}

interface Line {
  readonly step: number;
  readonly loss?: number;
  readonly grad_norm?: number;
  readonly eval_loss?: number;
  readonly task_seconds?: number;
  readonly task_scores?: readonly {
    readonly task: string;
    readonly metric: string;
    readonly score: number;
    readonly n: number;
    readonly chance: number | null;
  }[];
}

function linesOf(output: string): Line[] {
  return readFileSync(join(folder, output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line): Line => JSON.parse(line));
}

const learned = (output: string): (number | undefined)[][] =>
  linesOf(output).flatMap(({ step, loss, grad_norm }) =>
    loss === undefined ? [] : [[step, loss, grad_norm]],
  );
const scored = (output: string): Line[] =>
  linesOf(output).flatMap(({ task_seconds: _, ...line }) => (line.task_scores === undefined ? [] : [line]));
const weights = (output: string): Buffer => readFileSync(join(folder, output, 'final', 'model.safetensors'));

describe.each<[string, Record<string, Section>]>([
  ['full', {}],
  ['recompute-mixed', { training: { recompute: 'full', precision: 'bfloat16-mixed' } }],
  ['lora', { lora: { rank: 2, alpha: 4, dropout: 0.2, target_modules: ['q_proj', 'down_proj'] } }],
])('%s', (name, changes) => {
  test('before the first step, every so many steps and at the end; training is bit for bit what it is without', async () => {
    expect(
      await main(['train', '--config', writeConfig(`${name}-with`, { ...changes, evaluation: TASKS })]),
    ).toBe(0);
    expect(await main(['train', '--config', writeConfig(`${name}-without`, changes)])).toBe(0);
    expect(learned(`${name}-with`)).toHaveLength(10);
    expect(learned(`${name}-with`)).toEqual(learned(`${name}-without`));
    expect(weights(`${name}-with`).equals(weights(`${name}-without`))).toBe(true);
    const found = scored(`${name}-with`);
    expect(found.map(({ step }) => step)).toEqual([0, 4, 8, 10]);
    for (const { task_scores: scores = [] } of found) {
      expect(scores.map(({ task, metric, n, chance }) => [task, metric, n, chance])).toEqual([
        ['arc-easy', 'acc', 4, 0.25],
        ['arc-easy', 'acc_norm', 4, 0.25],
        ['arc-easy', 'acc_bytes', 4, 0.25],
        ['mmlu', 'acc', 6, 0.25],
        ['gsm8k', 'exact_match', 1, null],
        ['gsm8k', 'strict_match', 1, null],
        ['gsm8k', 'flexible_extract', 1, null],
        ['gsm8k', 'last_number', 1, null],
      ]);
      for (const { score } of scores) expect(score).toBeGreaterThanOrEqual(0);
    }
    expect(errors).toMatch(/training: step 8: arc-easy acc \d+\.\d % \(chance 25\.0 %\), mmlu acc /);
  });

  test('a resumed run does not measure again what it has measured', async () => {
    const [from, to] = [`${name}-with`, `${name}-again`];
    const checkpoint = join('checkpoints', 'step-4');
    mkdirSync(join(folder, to, 'checkpoints'), { recursive: true });
    cpSync(join(folder, from, checkpoint), join(folder, to, checkpoint), { recursive: true });
    // Killed two steps behind its checkpoint.
    const kept = readFileSync(join(folder, from, 'metrics.jsonl'), 'utf8')
      .split('\n')
      .slice(0, 8);
    writeFileSync(join(folder, to, 'metrics.jsonl'), `${kept.join('\n')}\n{"step": 7, "ta`);
    const config = writeConfig(to, { ...changes, evaluation: TASKS });
    expect(await main(['train', '--config', config, '--resume', 'auto'])).toBe(0);
    expect(learned(to)).toEqual(learned(from));
    expect(scored(to)).toEqual(scored(from));
    expect(weights(to).equals(weights(from))).toBe(true);
  });
});

test('tasks beside held-out rows, each in its own time; TensorBoard has them too', async () => {
  const evaluation = {
    ...TASKS,
    files: [texts],
    form: 'text',
    sequence_length: 24,
    every: 5,
    tasks_every: 10,
    max_rows: 4,
  };
  const config = writeConfig('both', { evaluation, watch: { tensorboard: true } });
  expect(await main(['train', '--config', config])).toBe(0);
  expect(scored('both').map(({ step }) => step)).toEqual([0, 10]);
  expect(linesOf('both').flatMap(({ step, eval_loss }) => (eval_loss === undefined ? [] : [step]))).toEqual([
    5, 10,
  ]);
  const events = join(folder, 'both', 'tensorboard');
  const [file = ''] = readdirSync(events);
  expect(readFileSync(join(events, file)).includes('tasks/arc-easy/acc_norm')).toBe(true);
});

describe('refused before anything is written', () => {
  test.each<[string, Section, RegExp]>([
    [
      'an unknown task',
      { tasks: [{ task: 'arc-esy' }], tasks_data: sets },
      /evaluation\.tasks, arc-esy: .*Did you mean `arc-easy`/,
    ],
    ['a set that is not there', { tasks: [{ task: 'bbh' }], tasks_data: folder }, /bbh/],
    ['tasks without their data', { tasks: [{ task: 'mmlu' }] }, /tasks need tasks_data/],
    ['data without tasks', { files: [texts], form: 'text', tasks_data: sets }, /tasks need tasks_data/],
    [
      'steps without tasks',
      { files: [texts], form: 'text', tasks_every: 3 },
      /tasks_every says when tasks are measured/,
    ],
    ['a task twice', { tasks: [{ task: 'mmlu' }, { task: 'mmlu' }], tasks_data: sets }, /one task twice/],
    [
      'examples of a set that has none',
      { tasks: [{ task: 'humaneval', shots: 2 }], tasks_data: sets },
      /humaneval has no examples/,
    ],
    ['a misspelt key', { tasks: [{ task: 'mmlu', limits: 3 }], tasks_data: sets }, /limits.*limit/],
    ['neither rows nor tasks', { every: 3 }, /give either dataset/],
  ])('%s', async (_, evaluation, message) => {
    expect(await main(['train', '--config', writeConfig('refused', { evaluation })])).toBe(2);
    expect(errors).toMatch(message);
    expect(() => readFileSync(join(folder, 'refused', 'metrics.jsonl'))).toThrow(/ENOENT/);
  });

  test('the best checkpoint by tasks alone', async () => {
    const path = writeConfig('refused-best', { evaluation: TASKS });
    expect(await main(['train', '--config', path, '--set', 'checkpoints.keep_best=true'])).toBe(2);
    expect(errors).toMatch(/keep_best needs an evaluation section with held-out rows/);
  });
});

test('the plan says what tasks take', async () => {
  await main(['plan', '--config', writeConfig('planned', { evaluation: TASKS }), '--peak-gflops', '10']);
  expect(errors).toMatch(/evaluation\.tasks: up to 268 MB of keys and values/);
});

test('a dry run reads the sets too', async () => {
  expect(await main(['train', '--config', writeConfig('dry', { evaluation: TASKS }), '--dry-run'])).toBe(0);
  const nowhere = { ...TASKS, tasks_data: join(folder, 'nowhere') };
  expect(await main(['train', '--config', writeConfig('dry', { evaluation: nowhere }), '--dry-run'])).toBe(2);
});

test('a signal while tasks are measured: the state is saved, and they are measured after resuming', async () => {
  const config = writeConfig('stopped', { evaluation: TASKS });
  const whole = scored('full-with');
  // As it is told of the measurement before the first step, the run is asked to end at the next one.
  let told = 0;
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += String(text);
    if (String(text).includes('step 0: arc-easy') && told++ === 0)
      setTimeout(() => process.emit('SIGTERM', 'SIGTERM'), 1);
    return true;
  });
  expect(await main(['train', '--config', config])).toBe(0);
  expect(errors).toMatch(/stopped by SIGTERM/);
  expect(await main(['train', '--config', config, '--resume', 'auto'])).toBe(0);
  expect(scored('stopped').map(({ step }) => step)).toEqual(whole.map(({ step }) => step));
  expect(weights('stopped').equals(weights('full-with'))).toBe(true);
});
