/** `xinghe evaluate` from its options to its files, on a tiny model and on recorded outputs. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { evaluationSets, writeSets } from './support/evaluation-sets.js';
import { openSandbox } from './support/python-sandbox.js';
import { tinyAdapter, writeTinyModel } from './support/tiny-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-evaluate-'));
const sets = writeSets(join(folder, 'sets'));
const sandbox = openSandbox();
sandbox?.dispose();
let model = '';
let made = 0;

beforeAll(async () => {
  model = await writeTinyModel();
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(join(model, '..'), { recursive: true, force: true });
});

let out = '';
let errors = '';
beforeEach(() => {
  out = '';
  errors = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += String(text);
    return true;
  });
});

const newOutput = (): string => join(folder, `out-${made++}`);

function evaluate(output: string, ...args: string[]): Promise<number> {
  return main(['evaluate', '--data', sets, '--output', output, ...args]);
}

const ALL = [
  'ceval',
  'mmlu',
  'cmmlu',
  'agieval',
  'arc-easy',
  'arc-challenge',
  'gaokao-bench',
  'gaokao-english',
  'financeiq',
  'gsm8k',
  'math',
  'bbh',
  'hellaswag',
];

interface Entry {
  readonly task: string;
  readonly metric: string;
  readonly score: number | null;
  readonly n: number;
  readonly missing: number;
  readonly stderr: number | null;
  readonly confidence_interval: readonly [number, number] | null;
  readonly groups: Readonly<Record<string, { readonly score: number; readonly n: number }>>;
}

/** What `--json` prints, checked against the form that others read. */
function results(): Entry[] {
  const { results: entries, ...others }: { results: Entry[] } = JSON.parse(out);
  expect(others).toEqual({});
  for (const entry of entries) {
    const { task, metric, score, n, missing, stderr, confidence_interval: interval, groups } = entry;
    expect([typeof task, typeof metric, typeof n, typeof missing, typeof stderr]).toEqual([
      'string',
      'string',
      'number',
      'number',
      'number',
    ]);
    if (metric !== 'bits_per_byte') {
      expect(score).toBeGreaterThanOrEqual(0);
      expect(score).toBeLessThanOrEqual(1);
      expect(interval?.[0]).toBeLessThanOrEqual(score ?? 0);
      expect(interval?.[1]).toBeGreaterThanOrEqual(score ?? 0);
    }
    for (const group of Object.values(groups)) {
      expect(group.n).toBeGreaterThan(0);
      expect(group.score).toBeGreaterThanOrEqual(0);
    }
  }
  return entries;
}

function samples(output: string): Record<string, unknown>[] {
  return readFileSync(join(output, 'samples.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('every set on a model', () => {
  test.each(['loglikelihood', 'generate'])('by %s', async (mode) => {
    const output = newOutput();
    // HumanEval by generation runs what was written: only where there is a sandbox.
    const tasks = mode === 'loglikelihood' || sandbox !== undefined ? [...ALL, 'humaneval'] : ALL;
    const options = [
      '--model',
      model,
      '--mode',
      mode,
      '--max-new-tokens',
      '6',
      '--shots',
      '0',
      '--json',
      '--task',
      tasks.join(),
    ];
    expect(await evaluate(output, ...options), errors).toBe(0);
    const entries = results();
    expect(new Set(entries.map(({ task }) => task))).toEqual(new Set(tasks));
    for (const { missing } of entries) expect(missing).toBe(0);
    expect(readdirSync(output).sort()).toEqual([
      'report.html',
      'results.csv',
      'results.json',
      'results.md',
      'samples.jsonl',
    ]);
    for (const sample of samples(output)) {
      for (const key of ['task', 'id', 'groups', 'prompt', 'ids', 'output', 'extracted', 'target'])
        expect(sample).toHaveProperty(key);
      expect('correct' in sample || 'points' in sample).toBe(true);
      expect('loglikelihoods' in sample).toBe(mode === 'loglikelihood');
      expect(typeof sample.prompt).toBe('string');
      if (mode === 'generate') expect(typeof sample.output).toBe('string');
    }
    const ofArc = entries.filter(({ task }) => task === 'arc-easy').map(({ metric }) => metric);
    expect(ofArc).toEqual(mode === 'loglikelihood' ? ['acc', 'acc_norm', 'acc_bytes'] : ['acc']);
    const record = JSON.parse(readFileSync(join(output, 'results.json'), 'utf8'));
    expect(record).toMatchObject({ complete: true, limit: null, seed: 0 });
    expect(Object.keys(record.model.model)).toContain('model.safetensors');
    expect(record.tasks.find(({ task }: Entry) => task === 'mmlu').chance).toBe(0.25);
  });

  test('the same command gives the same bytes, apart from times; another one does not overwrite it', async () => {
    const output = newOutput();
    const options = ['--model', model, '--task', 'arc-easy,gsm8k', '--shots', '0', '--max-new-tokens', '4'];
    const noted = errors;
    expect(await evaluate(output, ...options)).toBe(0);
    const read = (name: string): string => readFileSync(join(output, name), 'utf8');
    const timeless = (): unknown => ({ ...JSON.parse(read('results.json')), time: 0 });
    const [lines, result, table] = [read('samples.jsonl'), timeless(), read('results.md')];
    expect(await evaluate(output, ...options)).toBe(0);
    expect([read('samples.jsonl'), timeless(), read('results.md')]).toEqual([lines, result, table]);
    expect(await evaluate(output, ...options, '--limit', '1')).toBe(2);
    expect(errors.slice(noted.length)).toMatch(/another evaluation.*--overwrite/);
    expect(read('samples.jsonl')).toBe(lines);
    expect(await evaluate(output, ...options, '--limit', '1', '--overwrite')).toBe(0);
    expect(samples(output)).toHaveLength(2);
  });

  test('the table: own numbers to the left of a bar, what was published to the right', async () => {
    expect(
      await evaluate(newOutput(), '--model', model, '--task', 'mmlu', '--limit', '3', '--shots', '0'),
    ).toBe(0);
    expect(out).toMatch(/^task +metric +score +95 % +n +missing +shots +form +\| +Spark-13B base/);
    expect(out).toMatch(/published by the makers of these models, not measured here\n$/);
  });
});

describe('--adapter', () => {
  test('changes the numbers as merging it does', async () => {
    const merged = join(folder, 'merged');
    const merging = ['--from', model, '--to', merged, '--adapter', tinyAdapter, '--merge'];
    expect(await main(['convert', ...merging]), errors).toBe(0);
    const measured = async (who: string, ...options: string[]): Promise<Record<string, unknown>[]> => {
      const output = newOutput();
      const args = ['--model', who, '--task', 'mmlu,arc-easy', '--shots', '0', ...options];
      expect(await evaluate(output, ...args), errors).toBe(0);
      const { model: identity } = JSON.parse(readFileSync(join(output, 'results.json'), 'utf8'));
      if (options.length > 0) expect(identity.adapter['adapter_model.safetensors']).toMatch(/^[0-9a-f]{64}$/);
      else expect(identity.adapter).toBeNull();
      return samples(output);
    };
    const sums = (lines: readonly Record<string, unknown>[]): number[] =>
      lines.flatMap(({ loglikelihoods }) => (Array.isArray(loglikelihoods) ? loglikelihoods : []));
    const [base, beside, within] = [
      await measured(model),
      await measured(model, '--adapter', tinyAdapter),
      await measured(merged),
    ];
    expect(sums(beside).length).toBe(64);
    for (const [place, sum] of sums(within).entries()) expect(sums(beside)[place]).toBeCloseTo(sum, 4);
    const apart = sums(base).map((sum, place) => Math.abs(sum - (sums(beside)[place] ?? 0)));
    expect(Math.max(...apart)).toBeGreaterThan(0.01);
    const answers = (lines: readonly Record<string, unknown>[]): unknown[] =>
      lines.map(({ id, extracted, correct }) => [id, extracted, correct]);
    expect(answers(beside)).toEqual(answers(within));
  });
});

describe('recorded outputs', () => {
  function predictions(lines: readonly object[]): string {
    const path = join(folder, `predictions-${made++}.jsonl`);
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return path;
  }

  test('are scored without a model, missing ones counted as wrong', async () => {
    const path = predictions([
      { task: 'gsm8k', id: 'test/0', output: 'so\n#### 4' },
      { task: 'mmlu', id: 'anatomy_test/0', output: 'A' },
      { task: 'humaneval', id: 'HumanEval/0', output: 'x' },
    ]);
    const output = newOutput();
    expect(await evaluate(output, '--predictions', path, '--task', 'gsm8k,mmlu', '--json'), errors).toBe(0);
    const [gsm8k] = results();
    expect(gsm8k).toMatchObject({ task: 'gsm8k', metric: 'exact_match', score: 0.5, n: 2, missing: 1 });
    expect(results().find(({ task }) => task === 'mmlu')).toMatchObject({
      n: 12,
      missing: 11,
      score: 1 / 12,
    });
    const lines = samples(output);
    expect(lines.find(({ id }) => id === 'test/1')).toMatchObject({
      prompt: null,
      output: null,
      correct: false,
      missing: 'no recorded output',
    });
    expect(readFileSync(join(output, 'report.html'), 'utf8')).toContain('predictions');
  });

  test('the samples of an evaluation are read again as they are, those without an output as missing', async () => {
    const path = predictions([
      { task: 'gsm8k', id: 'test/0', prompt: 'x', output: '#### 4', correct: true },
      { task: 'gsm8k', id: 'test/1', output: null, missing: 'too long for the model' },
    ]);
    const output = newOutput();
    expect(await evaluate(output, '--predictions', path, '--task', 'gsm8k', '--json'), errors).toBe(0);
    expect(results()[0]).toMatchObject({ score: 0.5, n: 2, missing: 1 });
    expect(errors).toMatch(/gsm8k: 1 x no output, the first: .*:2: the output of test\/1 is null/);
    const compared = predictions([{ task: 'gsm8k', id: 'test/0', output: null, loglikelihoods: [-1] }]);
    expect(await evaluate(newOutput(), '--predictions', compared, '--task', 'gsm8k')).toBe(2);
    expect(errors).toMatch(/none of its 1 lines for gsm8k has an output/);
  });

  test.runIf(sandbox !== undefined)(
    'several programs of one problem, in one line or in several',
    async () => {
      const id = 'HumanEval/0';
      const [right, wrong] = ['    return a + b\n', '    return a\n'];
      for (const lines of [
        [{ task: 'humaneval', id, output: [right, wrong] }],
        [right, wrong].map((output) => ({ task: 'humaneval', id, output })),
      ]) {
        out = '';
        const args = ['--predictions', predictions(lines), '--task', 'humaneval', '--json'];
        expect(await evaluate(newOutput(), ...args), errors).toBe(0);
        expect(results().map(({ metric, score }) => [metric, score])).toEqual([
          ['pass@1', 0.5],
          ['pass@2', 1],
        ]);
      }
    },
  );

  test.each<[string, object[], string, RegExp]>([
    ['of another set', [{ task: 'gsm8k', id: 'train/0', output: '' }], 'gsm8k', /another set/],
    [
      'of another task',
      [{ task: 'math', id: 'x', output: '' }],
      'gsm8k',
      /no line for the task gsm8k; it has 1 for math/,
    ],
    ['without an output', [{ task: 'gsm8k', id: 'test/0' }], 'gsm8k', /:1: a recorded output is/],
  ])('%s are refused by name, and nothing is written', async (_, lines, task, message) => {
    const output = newOutput();
    expect(await evaluate(output, '--predictions', predictions(lines), '--task', task)).toBe(2);
    expect(errors).toMatch(message);
    expect(errors.trim().split('\n')).toHaveLength(1);
    expect(existsSync(join(output, 'results.json'))).toBe(false);
  });
});

describe('usage', () => {
  test.each<[string, string[], RegExp]>([
    [
      'neither model nor outputs',
      ['--task', 'mmlu'],
      /give --model DIR\|URL or --predictions FILE, one of the two/,
    ],
    ['both', ['--model', 'x', '--predictions', 'y', '--task', 'mmlu'], /one of the two/],
    ['no such model', ['--model', '/nowhere', '--task', 'mmlu'], /\/nowhere/],
    [
      'a mode that there is not',
      ['--mode', 'guess'],
      /--mode is "guess"; give one of loglikelihood, generate/,
    ],
    ['a file as output', ['--predictions', 'x', '--task', 'mmlu', '--limit', '0'], /--limit/],
  ])('%s', async (_, args, message) => {
    expect(await evaluate(newOutput(), ...args)).toBe(2);
    expect(errors).toMatch(message);
    expect(errors).not.toMatch(/\n\s+at /);
  });

  test('an unknown task, a set in the wrong folder, and no folder at all', async () => {
    const wrong = writeSets(join(folder, 'wrong'), {
      'hellaswag/hellaswag_val.jsonl': evaluationSets()['gsm8k/test.jsonl'] ?? '',
    });
    const withData = (data: string, task: string): Promise<number> =>
      main(['evaluate', '--model', model, '--data', data, '--output', newOutput(), '--task', task]);
    expect(await withData(wrong, 'hellaswag')).toBe(2);
    expect(errors).toMatch(/hellaswag holds no lines of \{"ctx"/);
    expect(await withData(wrong, 'mmlu')).toBe(2);
    expect(errors).toMatch(/there is no folder .*mmlu/);
    expect(await withData(wrong, 'mmmlu')).toBe(2);
    expect(errors).toMatch(/no task "mmmlu".*Did you mean `mmlu`/);
  });
});

test('xinghe compare: two evaluations of one model by different rules', async () => {
  const outputs = [newOutput(), newOutput()];
  for (const [place, shots] of ['0', '2'].entries())
    expect(await evaluate(outputs[place] ?? '', '--model', model, '--task', 'mmlu', '--shots', shots)).toBe(
      0,
    );
  out = '';
  const compared = newOutput();
  expect(await main(['compare', ...outputs, '--output', compared, '--json']), errors).toBe(0);
  expect(JSON.parse(out).tasks[0]).toMatchObject({ task: 'mmlu', common: 12 });
  expect(errors).toMatch(/warning: mmlu: other examples before the question, --shots/);
  expect(readdirSync(compared).sort()).toEqual(['compare.html', 'compare.json', 'compare.md']);
  expect(await main(['compare', outputs[0] ?? ''])).toBe(2);
  expect(errors).toMatch(/one run alone is nothing to compare/);
});
