/** A golden model as it is evaluated: sums against the definition, shots that do not fit, both forms. */
import { afterAll, expect, test } from 'vitest';
import { writeTinyModel } from '../../../tests/support/tiny-model.js';
import { loadModel, loadModelTokenizer } from '../../models/index.js';
import { intTensor, noGrad, scope } from '../../tensor/index.js';
import type { ModelAnswer, ModelQuestion } from './language-model.js';
import { LocalModel } from './local-model.js';

const path = await writeTinyModel('evaluated', { max_position_embeddings: 256 });
const loaded = loadModel(path);
const tokenizer = loadModelTokenizer(loaded.architecture, path);
const identity = { path, model: {}, tokenizer: null, adapter: null, dtype: null };
const model = new LocalModel({ loaded, tokenizer, identity, stopTokenIds: [] });
afterAll(() => {
  model.dispose();
  loaded.model.dispose();
});

async function ask(
  questions: readonly ModelQuestion[],
): Promise<{ answers: Map<number, ModelAnswer>; unanswerable: number[] }> {
  const answers = new Map<number, ModelAnswer>();
  const unanswerable: number[] = [];
  await model.answer(questions, {
    onAnswer: (index, answer) => answers.set(index, answer),
    onUnanswerable: (index) => unanswerable.push(index),
    onFailure: () => {},
  });
  return { answers, unanswerable };
}

/** Sum of log softmax at the ids behind `from`, in float64. */
function direct(ids: readonly number[], from: number): number {
  return noGrad(() =>
    scope(() => {
      const logProbs = loaded.model
        .forward(intTensor(ids, [1, ids.length]))
        .to('float64')
        .logSoftmax(-1);
      return ids.slice(from).reduce(
        (sum, id, index) =>
          sum +
          logProbs
            .select(0, 0)
            .select(0, from + index - 1)
            .select(0, id)
            .item(),
        0,
      );
    }),
  );
}

test('options: the sums of the definition, with examples that all questions share found in the cache', async () => {
  const shots = Array.from({ length: 4 }, (_, n) => ({
    question: `Question ${n}: which?\nAnswer:`,
    answer: ' A',
  }));
  const continuations = [' A', ' B', ' a longer one', ' C'];
  const questions = Array.from(
    { length: 6 },
    (_, n): ModelQuestion => ({
      kind: 'choices',
      form: 'plain',
      prompt: { header: 'A header.\n\n', shots, question: `The question ${n}?\nAnswer:` },
      choices: [{ continuations }],
    }),
  );
  const { answers } = await ask(questions);
  for (const [index] of questions.entries()) {
    const answer = answers.get(index);
    const context = tokenizer.encode(answer?.prompt ?? '');
    expect(answer?.ids).toEqual(context);
    for (const [place, continuation] of continuations.entries()) {
      const whole = tokenizer.encode(`${answer?.prompt}${continuation}`);
      const difference = (answer?.logLikelihoods?.[0]?.[place] ?? Number.NaN) - direct(whole, context.length);
      expect(Math.abs(difference)).toBeLessThan(1e-4);
    }
  }
  expect(model.usage.cachedTokens / model.usage.promptTokens).toBeGreaterThan(0.5);
});

test('examples that do not fit are dropped from the end; a question that never fits is told', async () => {
  const long = 'word '.repeat(60);
  const shots = Array.from({ length: 9 }, () => ({ question: long, answer: ' A' }));
  const { answers, unanswerable } = await ask([
    {
      kind: 'choices',
      form: 'plain',
      prompt: { shots, question: 'x' },
      choices: [{ continuations: [' A', ' B'] }],
    },
    {
      kind: 'choices',
      form: 'plain',
      prompt: { shots: [], question: long.repeat(20) },
      choices: [{ continuations: [' A'] }],
    },
  ]);
  expect(answers.get(0)?.droppedShots).toBeGreaterThan(0);
  expect(answers.get(0)?.droppedShots).toBeLessThan(9);
  expect(unanswerable).toEqual([1]);
});

test('options of one token run in one pass, with the numbers that each has alone', async () => {
  const prompt = { shots: [], question: 'Once upon a time there was' };
  const continuations = [' a', ' b', ' the', ' c', 'x y z'];
  const before = model.usage.promptTokens;
  const { answers: together } = await ask([
    { kind: 'choices', form: 'plain', prompt, choices: [{ continuations }] },
  ]);
  const spent = model.usage.promptTokens - before;
  const { answers: alone } = await ask(
    continuations.map((each) => ({
      kind: 'choices',
      form: 'plain',
      prompt,
      choices: [{ continuations: [each] }],
    })),
  );
  expect(together.get(0)?.logLikelihoods?.[0]).toEqual(
    continuations.map((_, place) => alone.get(place)?.logLikelihoods?.[0]?.[0]),
  );
  expect(together.get(0)?.isGreedy?.[0]).toEqual(
    continuations.map((_, place) => alone.get(place)?.isGreedy?.[0]?.[0]),
  );
  const singles = continuations.filter(
    (each) =>
      tokenizer.encode(`${prompt.question}${each}`).length === tokenizer.encode(prompt.question).length + 1,
  );
  expect(singles.length).toBeGreaterThan(1);
  // One prompt for those of one token, one for each of the others.
  expect(spent).toBeLessThan(
    (continuations.length - singles.length + 2) * (tokenizer.encode(prompt.question).length + 6),
  );
});

test('written answers: greedy, no longer than asked for, a second question with the first answer', async () => {
  const question: ModelQuestion = {
    kind: 'text',
    form: 'plain',
    prompt: { shots: [], question: 'Once upon' },
    secondPrompt: (output) => ({ shots: [], question: `Once upon${output} and then` }),
    stop: [],
    maxNewTokens: 6,
  };
  const { answers } = await ask([question, { ...question, secondPrompt: undefined }]);
  const first = answers.get(1)?.output ?? '';
  expect(tokenizer.encode(first).length).toBeGreaterThan(0);
  expect(answers.get(0)?.prompt).toBe(`Once upon${first} and then`);
});

test('a dialogue: each answer becomes history of the next turn; one whose history does not fit is told', async () => {
  const speakers = { user: 'User: ', assistant: 'Assistant:' };
  const dialogue: ModelQuestion = {
    kind: 'text',
    form: 'plain',
    prompt: { shots: [], question: 'One?', dialogue: { turns: [], speakers } },
    laterTurns: ['Two?', 'Three?'],
    stop: ['\nUser:'],
    maxNewTokens: 4,
  };
  const alone: ModelQuestion = { ...dialogue, laterTurns: [] };
  const endless: ModelQuestion = { ...dialogue, laterTurns: ['word '.repeat(400)] };
  const { answers, unanswerable } = await ask([dialogue, alone, endless]);
  const [first = '', second = '', third] = answers.get(0)?.outputs ?? [];
  expect(answers.get(0)?.outputs).toHaveLength(3);
  expect(answers.get(0)?.output).toBe(third);
  expect(answers.get(1)).toMatchObject({ output: first, outputs: [first] });
  const said = (answer: string): string => (/^\s/.test(answer) ? answer : ` ${answer}`);
  expect(answers.get(0)?.prompt).toBe(
    `User: One?\nAssistant:${said(first)}\n\nUser: Two?\nAssistant:${said(second)}\n\nUser: Three?\nAssistant:`,
  );
  expect(unanswerable).toEqual([2]);
});
