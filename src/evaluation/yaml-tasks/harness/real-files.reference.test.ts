/** Files of lm-evaluation-harness' own tasks, read where its package lies, over rows of our own. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { evaluateTasks } from '../../../../tests/support/evaluate-tasks.js';
import { FakeModel, writeSets } from '../../../../tests/support/evaluation-sets.js';
import { referencePython } from '../../../../tests/support/reference.js';
import { requires } from '../../../../tests/support/requires.js';
import { promptText } from '../../model/prompt-text.js';
import { findTasks } from '../../registry.js';

/** The folder of its task files; undefined without the package. */
function taskFolder(): string | undefined {
  const python = referencePython('harness') ?? referencePython('clients');
  if (python === undefined) return undefined;
  const libraries = join(dirname(python), '../lib');
  return readdirSync(libraries)
    .map((version) => join(libraries, version, 'site-packages/lm_eval/tasks'))
    .find((path) => existsSync(path));
}

const found = taskFolder();
const tasks = found ?? '';
const requiresHarness = requires(
  found !== undefined,
  'no lm-evaluation-harness; fetch it with node tools/reference-python.mjs harness',
);
const root = mkdtempSync(join(tmpdir(), 'xinghe-real-files-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const lines = (...rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const letters = ['A', 'B', 'C', 'D'];

/** Likes the second option; writes a number. */
const model = (): FakeModel =>
  new FakeModel((question, index, { onAnswer }) => {
    const common = { prompt: promptText(question.prompt), ids: null, droppedShots: 0 };
    if (question.kind === 'text')
      return onAnswer(index, { ...common, output: 'So 3. The answer is 1,200.\n#### 12\n\nQ: no' });
    const logLikelihoods = question.choices.map(({ continuations }) =>
      continuations.map((_, place) => (place === 1 ? -1 : -9)),
    );
    onAnswer(index, {
      ...common,
      logLikelihoods,
      isGreedy: logLikelihoods.map((sums) => sums.map(() => false)),
    });
  });

const run = (path: string, data: string, shots?: number) =>
  evaluateTasks(
    {
      task: join(tasks, path),
      data,
      output: join(root, `out-${path.replaceAll('/', '-')}`),
      ...(shots !== undefined && { shots }),
    },
    model(),
  );

describe('task files of lm-evaluation-harness', requiresHarness, () => {
  test('arc_easy, which arc_challenge includes: templates over nested columns', async () => {
    const row = (text: string, answerKey: string): object => ({
      question: text,
      choices: { text: ['it is', "it's"], label: ['1', '2'] },
      answerKey,
    });
    const data = writeSets(join(root, 'arc'), {
      'allenai/ai2_arc/ARC-Easy/validation-00000-of-00001.jsonl': lines(
        row('Is it?', '2'),
        row('Or not?', '1'),
      ),
      'ai2_arc/ARC-Challenge/test.jsonl': lines(row('Hard?', '2')),
    });
    const easy = await run('arc/arc_easy.yaml', data);
    expect(easy.results.map(({ task, metric, score, n }) => [task, metric, score, n])).toEqual([
      ['arc_easy', 'acc', 0.5, 2],
      ['arc_easy', 'acc_norm', 0.5, 2],
    ]);
    expect(easy.tasks[0]?.notes).toEqual([
      'measured on the split validation: there are no files of test here',
    ]);
    expect(easy.lines[0]?.prompt).toBe('Question: Is it?\nAnswer:');
    // Only one of the two spellings of the folder has ARC-Challenge.
    expect(() => findTasks(join(tasks, 'arc/arc_challenge.yaml'), data)).toThrow(
      /has nothing with the name "ARC-Challenge"/,
    );
  });

  test('mmlu: the group of all subjects, with its parts', async () => {
    const subjects = readdirSync(join(tasks, 'mmlu/default'))
      .map((name) => /^mmlu_(.*)\.yaml$/.exec(name)?.[1])
      .filter((name) => name !== undefined);
    const row = (answer: number): object => ({ question: ' Which? ', choices: ['a', 'b', 'c', 'd'], answer });
    const data = writeSets(
      join(root, 'mmlu'),
      Object.fromEntries(
        subjects.flatMap((name, place) => [
          [`cais/mmlu/${name}/test.jsonl`, lines(row(1), ...(place === 0 ? [row(0), row(2)] : []))],
          [`cais/mmlu/${name}/dev.jsonl`, lines(...[0, 1, 2, 3, 0].map(row))],
        ]),
      ),
    );
    const { results, lines: samples } = await run('mmlu/default/_mmlu.yaml', data, 5);
    expect(subjects).toHaveLength(57);
    const [only] = results;
    expect(only).toMatchObject({ task: 'mmlu', metric: 'acc', n: 59 });
    expect(only?.score).toBeCloseTo(57 / 59, 12);
    expect(only?.groups.mmlu_stem?.n).toBeGreaterThan(15);
    expect(only?.groups.mmlu_anatomy).toBeDefined();
    const anatomy = samples.find(({ id }) => id.startsWith('mmlu_anatomy/'));
    expect(
      anatomy?.prompt?.startsWith(
        'The following are multiple choice questions (with answers) about anatomy.\n\nWhich?\nA. a\n',
      ),
    ).toBe(true);
    expect(anatomy?.prompt?.match(/Answer: [A-D]\n\n/g)?.map((each) => each.charAt(8))).toEqual([
      'A',
      'B',
      'C',
      'D',
      'A',
    ]);
  });

  test('cmmlu and ceval: columns of letters, answers by their place', async () => {
    const header = ',Question,A,B,C,D,Answer\n';
    const data = writeSets(join(root, 'chinese'), {
      'haonan-li/cmmlu/test/anatomy.csv': `${header}0, 哪个？ ,甲,乙,丙,丁,B\n`,
      'haonan-li/cmmlu/dev/anatomy.csv': `${header}${letters.map((letter, index) => `${index},问,甲,乙,丙,丁,${letter}\n`).join('')}`,
    });
    const { results, lines: samples } = await run('cmmlu/cmmlu_anatomy.yaml', data, 2);
    expect(results[0]).toMatchObject({ task: 'cmmlu_anatomy', metric: 'acc', score: 1, n: 1 });
    expect(samples[0]?.prompt).toBe(
      '以下是关于解剖学的单项选择题，请直接给出正确答案的选项。\n\n问\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n答案： A\n\n' +
        '问\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n答案： B\n\n哪个？\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n答案：',
    );
  });

  test('gsm8k and gsm8k-cot: filters, examples in the file', async () => {
    const data = writeSets(join(root, 'gsm8k'), {
      'openai/gsm8k/main/test.jsonl': lines({ question: '5+7?', answer: 'so\n#### 12' }),
      'openai/gsm8k/main/train.jsonl': lines(
        ...Array.from({ length: 8 }, (_, index) => ({ question: `${index}?`, answer: `#### ${index}` })),
      ),
    });
    const plain = await run('gsm8k/gsm8k.yaml', data);
    expect(plain.results.map(({ metric, score }) => [metric, score])).toEqual([
      ['exact_match,strict-match', 1],
      ['exact_match,flexible-extract', 1],
    ]);
    const thinking = await run('gsm8k/gsm8k-cot.yaml', data);
    expect(thinking.results.map(({ metric, score }) => [metric, score])).toEqual([
      ['exact_match,strict-match', 0],
      ['exact_match,flexible-extract', 1],
    ]);
    const [sample] = thinking.lines;
    expect(sample?.prompt?.match(/Q: /g)).toHaveLength(9);
    expect(sample?.extracted).toBe('1,200');
  });

  test.each([
    [
      'hellaswag/hellaswag.yaml',
      /hellaswag\.yaml:\d+: process_docs: needs Python: process_docs: !function utils\.process_docs/,
    ],
    ['wikitext/wikitext.yaml', /needs Python/],
    ['minerva_math/minerva_math_algebra.yaml', /needs Python/],
    ['truthfulqa/truthfulqa_gen.yaml', /needs Python/],
    ['wmt2016/ro_en-t5_prompt.yaml', /needs Python|needs the package/],
  ])('%s says what it needs', (path, message) => {
    expect(() => findTasks(join(tasks, path), root)).toThrow(message);
  });
});
