/** Scores out of the engine against the definition, one item at a time. */
import { expect, test } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { loadModel } from '../models/index.js';
import { intTensor, noGrad, scope } from '../tensor/index.js';
import { type Continuation, logLikelihoods } from './log-likelihood.js';
import { scoreMultipleChoice } from './multiple-choice.js';

const { model } = loadModel(`${goldenFolder}xverse`);

/** Sum of log softmax at the continuation's own ids. */
function direct({ context, continuation }: Continuation): number {
  return noGrad(() =>
    scope(() => {
      const ids = [...context, ...continuation];
      const logits = model.forward(intTensor(ids, [1, ids.length])).to('float64');
      const logProbs = logits.logSoftmax(-1);
      return continuation.reduce(
        (sum, id, index) =>
          sum +
          logProbs
            .select(0, 0)
            .select(0, context.length + index - 1)
            .select(0, id)
            .item(),
        0,
      );
    }),
  );
}

const items: Continuation[] = Array.from({ length: 11 }, (_, index) => ({
  context: Array.from({ length: 1 + ((index * 5) % 7) }, (_, place) => (index * 31 + place * 7) % 300),
  continuation: Array.from({ length: 1 + (index % 4) }, (_, place) => (index * 17 + place * 13) % 300),
}));

test.each([1, 4, 32])('log-likelihoods in batches of %d', (batchSize) => {
  const done: number[] = [];
  const scores = logLikelihoods(model, items, { batchSize, onProgress: (count) => done.push(count) });
  for (const [index, item] of items.entries())
    expect(Math.abs((scores[index] ?? Number.NaN) - direct(item)), `item ${index}`).toBeLessThan(1e-4);
  expect(done.at(-1)).toBe(items.length);
});

test('items with one beginning: it runs once, and the scores are the same', () => {
  const context = Array.from({ length: 40 }, (_, place) => (place * 29 + 3) % 300);
  const answers = [[5], [6, 7], [8, 9, 10], [11], []].map((continuation) => ({ context, continuation }));
  const scores = logLikelihoods(model, answers);
  for (const [index, item] of answers.entries())
    expect(Math.abs((scores[index] ?? Number.NaN) - direct(item)), `answer ${index}`).toBeLessThan(1e-4);
});

test('a model that computes nonsense is named', () => {
  const { model: broken } = loadModel(`${goldenFolder}xverse`);
  noGrad(() => scope(() => broken.namedParameters()[3]?.[1].mul_(Number.NaN)));
  expect(() => logLikelihoods(broken, items)).toThrow('a log-likelihood is NaN');
  broken.dispose();
});

test('an item without context is refused', () => {
  expect(() => logLikelihoods(model, [{ context: [], continuation: [1] }])).toThrow('item 0 has no context');
});

test('the most probable option is chosen', () => {
  const questions = items.map(({ context }, index) => ({
    prompt: context,
    options: Array.from({ length: 2 + (index % 3) }, (_, option) => [
      (index * 7 + option * 11) % 300,
      option + 1,
    ]),
    answer: index % 2,
  }));
  const expected = questions.map(({ prompt, options }) => {
    const scores = options.map((continuation) => direct({ context: prompt, continuation }));
    return scores.indexOf(Math.max(...scores));
  });
  const result = scoreMultipleChoice(model, questions, { batchSize: 5 });
  expect(result.predictions).toEqual(expected);
  expect(result.total).toBe(questions.length);
  expect(result.correct).toBe(expected.filter((choice, index) => choice === index % 2).length);
  expect(result.chance).toBeCloseTo(
    questions.reduce((sum, { options }) => sum + 1 / options.length, 0) / questions.length,
    12,
  );
});
