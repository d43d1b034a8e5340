/** Whole evaluations of small sets of our own: recorded outputs, models that are functions, bad rows, resumption. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { evaluationSets, FakeModel, writeSets } from '../../../tests/support/evaluation-sets.js';
import { InterruptedError } from '../../errors/index.js';
import type { LanguageModel } from '../model/language-model.js';
import { promptText } from '../model/prompt-text.js';
import { TASKS } from '../registry.js';
import type { GradingTools, ScoringMode } from '../task.js';
import { planTasks } from './plan-tasks.js';
import { readPredictions } from './predictions.js';
import { type EvaluationResult, runEvaluation } from './run-evaluation.js';
import type { ResultEntry } from './summarise.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-evaluation-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const root = writeSets(join(folder, 'sets'));
let outputs = 0;

/** Programs are judged by their look here: the sandbox has tests of its own. */
const tools: GradingTools = {
  runProgram: async (program) => ({ hasPassed: program.includes('return a + b'), outcome: 'looked at' }),
};

interface Wishes {
  readonly task: string;
  readonly data?: string;
  readonly shots?: number;
  readonly cot?: boolean;
  readonly mode?: ScoringMode;
  readonly limit?: number;
  readonly output?: string;
  readonly overwrite?: boolean;
}

async function evaluate(
  wishes: Wishes,
  who: LanguageModel | readonly object[],
): Promise<EvaluationResult & { readonly folder: string }> {
  const { task, data = root, shots, cot = false, mode, limit, overwrite = false } = wishes;
  const output = wishes.output ?? join(folder, `out-${outputs++}`);
  const isModel = 'answer' in who;
  const { tasks } = planTasks({
    task,
    preset: undefined,
    data,
    shots,
    isCot: cot,
    mode,
    form: undefined,
    forms: isModel ? who.forms : undefined,
  });
  const recorded = join(folder, `predictions-${outputs++}.jsonl`);
  if (!isModel) writeFileSync(recorded, who.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const plan = { tasks, data, limit, output, overwrite, command: ['xinghe', 'evaluate'] };
  const answerer = isModel
    ? { kind: 'model' as const, model: who }
    : {
        kind: 'predictions' as const,
        predictions: readPredictions(
          recorded,
          tasks.map((each) => each.task),
        ),
      };
  return { ...(await runEvaluation(plan, answerer, tools)), folder: output };
}

function entryOf({ results }: EvaluationResult, metric?: string): ResultEntry {
  const found = results.find((entry) => metric === undefined || entry.metric === metric);
  if (found === undefined) throw new Error(`no entry ${metric}`);
  return found;
}

interface SampleLine {
  readonly id: string;
  readonly prompt: string | null;
  readonly output: unknown;
  readonly extracted: unknown;
  readonly target: unknown;
  readonly correct?: unknown;
  readonly points?: number;
  readonly missing?: string;
}

function samplesOf({ folder: output }: { readonly folder: string }): SampleLine[] {
  const text = readFileSync(join(output, 'samples.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line): SampleLine => JSON.parse(line));
}

describe('recorded outputs', () => {
  test.each([
    ['mmlu', ['anatomy_test/0', 'anatomy_test/5', 'virology_test/3'], ['The answer is A.', 'B', 'D']],
    ['ceval', ['law_val/0', 'law_val/3'], ['答案是A', '故选D']],
    ['cmmlu', ['anatomy/1'], ['B']],
    ['financeiq', ['税务师/2'], ['C']],
    ['agieval', ['sat-math/0', 'gaokao-physics/0', 'math/0'], ['A', 'CA', 'so $x=2$']],
    ['arc-easy', ['ARC-Easy-Dev/1'], ['B']],
    ['arc-challenge', ['ARC-Challenge-Test/2', 'ARC-Challenge-Test/3'], ['C', '4']],
    ['gaokao-english', ['reading-multiple-choice/0'], ['B']],
    ['gsm8k', ['test/0', 'test/1'], ['#### 4', '#### 1999']],
    ['math', ['algebra/2', 'algebra/10'], ['\\boxed{2}', '\\boxed{1/2}']],
    ['humaneval', ['HumanEval/0'], ['    return a + b\n']],
    ['bbh', ['navigate/0', 'logical_deduction_three_objects/0'], ['So the answer is Yes.', '(A)']],
    ['hellaswag', ['hellaswag_val/3'], ['D']],
  ])('%s: right outputs are right, the others are missing', async (task, ids, texts) => {
    const result = await evaluate(
      { task },
      ids.map((id, place) => ({ task, id, output: texts[place] })),
    );
    const lines = samplesOf(result);
    const right = lines.filter(({ correct }) => correct === true).map(({ id }) => id);
    expect(right.sort()).toEqual([...ids].sort());
    const { n, missing } = entryOf(result);
    expect(n).toBe(lines.length);
    expect(missing).toBe(lines.length - ids.length);
    expect(result.complete).toBe(true);
  });

  test('GAOKAO: points over possible points, by file and by subject', async () => {
    const result = await evaluate({ task: 'gaokao-bench' }, [
      { task: 'gaokao-bench', id: '2010-2022_Math_I_MCQs/0', output: 'D or A' },
      { task: 'gaokao-bench', id: '2010-2022_Physics_MCQs/0', output: 'x【答案】CA' },
      { task: 'gaokao-bench', id: '2012-2022_English_Cloze_Test/0', output: 'A B C D F' },
      { task: 'gaokao-bench', id: '2010-2022_Geography_MCQs/0', output: '【答案】A' },
    ]);
    const entry = entryOf(result);
    // 5 + 3 + 4 x 2 + 0 of 10 + 6 + 10 + 8.
    expect([entry.points, entry.max_points, entry.score]).toEqual([16, 34, 16 / 34]);
    expect(entry.groups.Physics).toEqual({ score: 0.5, n: 1, points: 3, max_points: 6 });
    expect(entry.groups['2010-2022_Math_I_MCQs']).toMatchObject({ points: 5, max_points: 10 });
    expect(entry.missing).toBe(1);
  });

  test('BBH: files of one task are averaged first, and the other means are said', async () => {
    const { averages, average, score } = entryOf(
      await evaluate({ task: 'bbh' }, [{ task: 'bbh', id: 'navigate/0', output: 'Yes' }]),
    );
    expect(score).toBe(0.5);
    expect(average).toMatch(/23/);
    expect(averages).toMatchObject({ files: 1 / 3, samples: 1 / 3 });
  });

  test('HumanEval: several outputs of one problem', async () => {
    const wrong = { task: 'humaneval', id: 'HumanEval/0', output: '    return 0' };
    const result = await evaluate({ task: 'humaneval' }, [wrong, { ...wrong, output: '    return a + b' }]);
    expect(result.results.map(({ metric, score }) => [metric, score])).toEqual([
      ['pass@1', 0.5],
      ['pass@2', 1],
    ]);
    expect(samplesOf(result)[0]?.correct).toEqual([false, true]);
  });

  test("AGIEval's rule goes by shots and cot", async () => {
    const line = { task: 'agieval', id: 'sat-math/3', output: 'A first, but the answer is D' };
    const correctOf = async (wishes: Partial<Wishes>): Promise<unknown> =>
      samplesOf(await evaluate({ task: 'agieval', ...wishes }, [line])).find(({ id }) => id === line.id)
        ?.correct;
    expect(await correctOf({})).toBe(false);
    expect(await correctOf({ shots: 3 })).toBe(true);
    expect(await correctOf({ shots: 3, cot: true })).toBe(true);
  });

  test('outputs of another set, and two of one sample, are refused by name; repeated ones are counted', async () => {
    const line = { task: 'gsm8k', id: 'test/0', output: '#### 4' };
    await expect(evaluate({ task: 'gsm8k' }, [{ ...line, id: 'train/0' }])).rejects.toThrow(
      /"train\/0".*another set/s,
    );
    await expect(evaluate({ task: 'gsm8k' }, [{ ...line, task: 'math' }])).rejects.toThrow(
      /no line for the task gsm8k; it has 1 for math/,
    );
    await expect(evaluate({ task: 'gsm8k' }, [line, { ...line, output: '#### 5' }])).rejects.toThrow(
      /:2: a second output of gsm8k test\/0/,
    );
    await expect(evaluate({ task: 'gsm8k' }, [{ ...line, output: 4 }])).rejects.toThrow(
      /:1: a recorded output is/,
    );
    const { tasks } = await evaluate({ task: 'gsm8k' }, [line, line, { ...line, id: 'test/99' }]);
    expect(tasks[0]?.problems.map(({ reason, count }) => [reason, count])).toEqual([
      ['unknown id', 1],
      ['duplicate id', 1],
    ]);
  });
});

/** Log-likelihoods that prefer one option of each choice. */
function preferring(choose: (options: readonly string[], question: number) => number): FakeModel {
  return new FakeModel((question, index, hooks) => {
    const { prompt } = question;
    const common = { prompt: promptText(prompt), ids: [1, 2], droppedShots: 0 };
    if (question.kind === 'text') hooks.onAnswer(index, { ...common, output: 'the answer is A' });
    else
      hooks.onAnswer(index, {
        ...common,
        logLikelihoods: question.choices.map(({ continuations }) => {
          const best = choose(continuations, index);
          return continuations.map((_, place) => (place === best ? -1 : -3));
        }),
        isGreedy: question.choices.map(({ continuations }) => continuations.map(() => false)),
      });
  });
}

describe('a model', () => {
  test.each(
    // What is judged has tests of its own.
    TASKS.filter(({ isJudged }) => isJudged !== true).flatMap(({ name }) => [
      [name, 'loglikelihood'] as const,
      [name, 'generate'] as const,
    ]),
  )('%s by %s: runs to its end', async (task, mode) => {
    const result = await evaluate(
      { task, mode, ...(task === 'bbh' && { shots: 0 }) },
      preferring(() => 0),
    );
    const entry = entryOf(result);
    expect(entry.n).toBeGreaterThan(0);
    expect(entry.missing).toBe(0);
    expect(entry.score).toBeGreaterThanOrEqual(0);
    for (const line of samplesOf(result)) expect(line.prompt).not.toBeNull();
  });

  test('MMLU: the prompt of the original, five examples from dev in file order', async () => {
    const model = preferring(() => 0);
    const result = await evaluate({ task: 'mmlu', mode: 'loglikelihood', limit: 1 }, model);
    const prompt = samplesOf(result)[0]?.prompt ?? '';
    expect(prompt).toBe(
      'The following are multiple choice questions (with answers) about anatomy.\n\n' +
        ['A', 'B', 'C', 'D', 'A']
          .map(
            (letter, n) => `question, number ${n}\nA. one\nB. two\nC. three\nD. four\nAnswer: ${letter}\n\n`,
          )
          .join('') +
        'question, number 0\nA. one\nB. two\nC. three\nD. four\nAnswer:',
    );
    expect(model.asked[0]).toMatchObject({
      kind: 'choices',
      choices: [{ continuations: [' A', ' B', ' C', ' D'] }],
    });
  });

  test('C-Eval, CMMLU, HellaSwag and ARC: the ends of their prompts', async () => {
    const endOf = async (task: string): Promise<string> =>
      samplesOf(
        await evaluate(
          { task, mode: 'loglikelihood', shots: 0, limit: 1 },
          preferring(() => 0),
        ),
      )[0]?.prompt ?? '';
    expect(await endOf('ceval')).toBe(
      '以下是中国关于法学考试的单项选择题，请选出其中的正确答案。\n\nquestion, number 0\nA. one\nB. two\nC. three\nD. four\n答案：',
    );
    expect(await endOf('cmmlu')).toBe(
      '以下是关于解剖学的单项选择题，请直接给出正确答案的选项。\n\n题目：question, number 0\nA. one\nB. two\nC. three\nD. four\n答案是：',
    );
    expect(await endOf('hellaswag')).toBe('Work: A man works. He');
    expect(await endOf('arc-easy')).toBe('Question: Which is A?\nAnswer:');
  });

  test('ARC: sums, by characters, by bytes; labels count by their places', async () => {
    const result = await evaluate(
      { task: 'arc-challenge', mode: 'loglikelihood' },
      preferring((_, index) => index),
    );
    expect(result.results.map(({ metric, score }) => [metric, score])).toEqual([
      ['acc', 1],
      ['acc_norm', 1],
      ['acc_bytes', 1],
    ]);
  });

  test('a random model scores within the interval of chance', async () => {
    const rows = Array.from({ length: 800 }, (_, n) => `q${n},a,b,c,d,${['A', 'B', 'C', 'D'][n % 4]}\n`).join(
      '',
    );
    const data = writeSets(join(folder, 'chance'), { 'mmlu/test/anatomy_test.csv': rows });
    let state = 7;
    const random = preferring((options) => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * options.length);
    });
    const entry = entryOf(await evaluate({ task: 'mmlu', data, mode: 'loglikelihood' }, random));
    const [low, high] = entry.confidence_interval ?? [1, 0];
    expect(low).toBeLessThan(0.25);
    expect(high).toBeGreaterThan(0.25);
    expect(high - low).toBeLessThan(0.07);
  });

  test('an interrupted evaluation goes on where it stopped, to the same bytes', async () => {
    const model = preferring((_, index) => index % 4);
    const whole = await evaluate({ task: 'mmlu', mode: 'loglikelihood' }, model);
    const output = join(folder, 'interrupted');
    const stopped = new FakeModel((question, index, hooks) => {
      if (index === 5) throw new InterruptedError('stopped by SIGINT');
      void preferring(() => index % 4).answer([question], {
        ...hooks,
        onAnswer: (_, answer) => hooks.onAnswer(index, answer),
      });
    });
    await expect(evaluate({ task: 'mmlu', mode: 'loglikelihood', output }, stopped)).rejects.toThrow(
      /keeps 5 answers/,
    );
    const rest = preferring((_, index) => (index + 5) % 4);
    await evaluate({ task: 'mmlu', mode: 'loglikelihood', output }, rest);
    expect(rest.asked).toHaveLength(12 - 5);
    for (const name of ['samples.jsonl'])
      expect(readFileSync(join(output, name), 'utf8')).toBe(readFileSync(join(whole.folder, name), 'utf8'));
    const timeless = (path: string): unknown => ({
      ...JSON.parse(readFileSync(join(path, 'results.json'), 'utf8')),
      time: 0,
    });
    expect(timeless(output)).toEqual(timeless(whole.folder));
    expect(existsSync(join(output, 'unfinished.jsonl'))).toBe(false);
  });

  test('samples that could not be asked: counted, no score, asked again', async () => {
    const output = join(folder, 'failing');
    const failing = new FakeModel((question, index, hooks) => {
      if (index === 1) hooks.onFailure(index, 'timed out', 'no answer within 1 s');
      else
        void preferring(() => 0).answer([question], {
          ...hooks,
          onAnswer: (_, answer) => hooks.onAnswer(index, answer),
        });
    });
    const first = await evaluate({ task: 'arc-easy', mode: 'loglikelihood', output }, failing);
    expect(first.complete).toBe(false);
    expect(entryOf(first).score).toBeNull();
    expect(first.tasks[0]?.failures).toMatchObject([
      { reason: 'timed out', count: 1, examples: [{ id: 'ARC-Easy-Dev/1' }] },
    ]);
    const again = preferring(() => 0);
    const second = await evaluate({ task: 'arc-easy', mode: 'loglikelihood', output }, again);
    expect(again.asked).toHaveLength(1);
    expect(entryOf(second).score).toBe(0.25);
  });

  test('results of another evaluation are not overwritten unasked', async () => {
    const { folder: output } = await evaluate(
      { task: 'arc-easy', mode: 'loglikelihood' },
      preferring(() => 0),
    );
    await expect(
      evaluate(
        { task: 'arc-easy', mode: 'generate', output },
        preferring(() => 0),
      ),
    ).rejects.toThrow(/another evaluation/);
    await evaluate(
      { task: 'arc-easy', mode: 'generate', output, overwrite: true },
      preferring(() => 0),
    );
  });

  test('a set without labels: no score, answers to hand in', async () => {
    const data = writeSets(join(folder, 'unlabelled'), {
      'ceval/test/law_test.csv': 'id,question,A,B,C,D\n0,q,1,2,3,4\n1,r,1,2,3,4\n',
    });
    const result = await evaluate(
      { task: 'ceval', data, mode: 'loglikelihood', shots: 0 },
      preferring((_, index) => index + 1),
    );
    expect(entryOf(result).score).toBeNull();
    expect(JSON.parse(readFileSync(join(result.folder, 'ceval-submission.json'), 'utf8'))).toEqual({
      law: { 0: 'B', 1: 'C' },
    });
  });
});

describe('bad rows are named and counted, and the others keep their ids', () => {
  const good = 'q,1,2,3,4,A\n';
  test.each([
    ['a missing option', `${good}q,1,,3,4,A\n`, 'missing option', /option B is missing/],
    ['an answer out of range', `${good}q,1,2,3,4,E\n`, 'answer out of range', /the answer is "E"/],
    ['a field too few', `${good}q,1,2,3,A\n`, 'wrong number of fields', /5 fields/],
    [
      'another encoding',
      Buffer.concat([Buffer.from(good), Buffer.from([0xc4, 0xe3]), Buffer.from(',1,2,3,4,A\n')]),
      'not UTF-8',
      /UTF-8/,
    ],
  ])('%s', async (_, bad, reason, message) => {
    const text = Buffer.concat([Buffer.from('\ufeff'), Buffer.from(bad), Buffer.from('q,1,2,3,4,D\n')]);
    const data = writeSets(mkdtempSync(join(folder, 'bad-')), { 'mmlu/test/anatomy_test.csv': text });
    const result = await evaluate({ task: 'mmlu', data }, [
      { task: 'mmlu', id: 'anatomy_test/2', output: 'D' },
    ]);
    expect(result.tasks[0]?.problems).toMatchObject([
      { reason, count: 1, examples: [{ id: 'anatomy_test/1' }] },
    ]);
    expect(result.tasks[0]?.problems[0]?.examples[0]?.message).toMatch(message);
    expect(samplesOf(result).map(({ id, correct }) => [id, correct])).toEqual([
      ['anatomy_test/0', false],
      ['anatomy_test/2', true],
    ]);
  });

  test('an unknown subject is left out by name', async () => {
    const data = writeSets(join(folder, 'subjects'), {
      'mmlu/test/anatomy_test.csv': good,
      'mmlu/test/cooking_test.csv': good,
    });
    const { tasks, results } = await evaluate({ task: 'mmlu', data }, [
      { task: 'mmlu', id: 'anatomy_test/0', output: 'A' },
    ]);
    expect(tasks[0]?.problems[0]?.examples[0]?.message).toMatch(/no subject "cooking"/);
    expect(results[0]?.n).toBe(1);
  });

  test.each([
    ['mmlu', 'cmmlu/test/anatomy.csv', /holds no questions of its form/],
    ['cmmlu', 'mmlu/test/anatomy_test.csv', /holds no questions of its form/],
    ['gsm8k', 'hellaswag/hellaswag_val.jsonl', /holds no (lines of|file of the test split)/],
    ['bbh', 'gaokao/2010-2022_Physics_MCQs.json', /holds no file of \{"examples"/],
    ['agieval', 'gsm8k/test.jsonl', /holds no lines of \{"passage"/],
    ['hellaswag', 'gsm8k/test.jsonl', /holds no lines of \{"ctx"/],
  ])('%s with the files of another set', async (task, path, message) => {
    const target = path.split('/').slice(1).join('/');
    const folderOf = TASKS.find(({ name }) => name === task)?.folder ?? task;
    const data = writeSets(mkdtempSync(join(folder, 'wrong-')), {
      [`${folderOf}/${target}`]: evaluationSets()[path] ?? '',
    });
    await expect(evaluate({ task, data }, [{ task, id: 'x/0', output: '' }])).rejects.toThrow(message);
  });

  test('files that are cut off or of which rows are lost are refused, and so are folders that are not there', async () => {
    const cut = writeSets(mkdtempSync(join(folder, 'cut-')), {
      'mmlu/test/anatomy_test.csv': `${good}"q,1,2,3,4,A\n`,
    });
    await expect(
      evaluate({ task: 'mmlu', data: cut }, [{ task: 'mmlu', id: 'x', output: '' }]),
    ).rejects.toThrow(/anatomy_test\.csv:2/);
    const half = gunzipHalf();
    await expect(
      evaluate({ task: 'humaneval', data: half }, [{ task: 'humaneval', id: 'x', output: '' }]),
    ).rejects.toThrow(/cut off/);
    await expect(
      evaluate({ task: 'bbh', data: cut }, [{ task: 'bbh', id: 'x', output: '' }]),
    ).rejects.toThrow(/there is no folder/);
  });

  function gunzipHalf(): string {
    const packed = evaluationSets()['humaneval/HumanEval.jsonl.gz'];
    const bytes = Buffer.from(packed ?? '');
    return writeSets(mkdtempSync(join(folder, 'half-')), {
      'humaneval/HumanEval.jsonl.gz': bytes.subarray(0, bytes.length / 2),
    });
  }

  test('more shots than the dev split has: an error where asked for, a note else', async () => {
    await expect(
      evaluate(
        { task: 'gsm8k', shots: 9 },
        preferring(() => 0),
      ),
    ).rejects.toThrow(/--shots 9.*only 4 examples/s);
    const data = writeSets(join(folder, 'no-dev'), { 'mmlu/test/anatomy_test.csv': good });
    const { tasks } = await evaluate(
      { task: 'mmlu', data },
      preferring(() => 0),
    );
    expect(tasks[0]?.notes[0]).toMatch(/the dev split has no more/);
  });
});
