import { expect, test } from 'vitest';
import { goldenFolder } from '../../tests/golden.js';
import { loadModel } from '../models/index.js';
import { generateIds } from './generate-text.js';

const { model: spark } = loadModel(`${goldenFolder}spark`, { dtype: 'float64' });
const { model: xverse } = loadModel(`${goldenFolder}xverse`, { dtype: 'float64' });
const PAD = 0;

test('Spark does not see padding tokens, wherever they stand', () => {
  const promptIds = [PAD, PAD, 17, 40, PAD, 23, 9];
  const mask = promptIds.map((id) => (id === PAD ? 0 : 1));
  expect(spark.unseenTokenId).toBe(PAD);
  const run = (attentionMask?: number[]) =>
    generateIds(spark, [{ promptIds, attentionMask, maxNewTokens: 8 }])[0]?.ids;
  expect(run()).toEqual(run(mask));
  expect(run()).not.toEqual(run(promptIds.map(() => 1)));
  expect(generateIds(xverse, [{ promptIds, maxNewTokens: 8 }])).toEqual(
    generateIds(xverse, [{ promptIds, attentionMask: promptIds.map(() => 1), maxNewTokens: 8 }]),
  );
});

test.each([
  ['an empty prompt', { promptIds: [], maxNewTokens: 1 }, 'the prompt is empty'],
  ['an id outside the vocabulary', { promptIds: [1, 99999], maxNewTokens: 1 }, 'prompt id 99999'],
  ['a short mask', { promptIds: [1, 2], attentionMask: [1], maxNewTokens: 1 }, 'has 1 entries for 2'],
  [
    'padding on the right',
    { promptIds: [1, 2], attentionMask: [1, 0], maxNewTokens: 1 },
    'attention_mask ends with 0',
  ],
  ['a negative length', { promptIds: [1], maxNewTokens: -1 }, 'maxNewTokens is -1'],
  [
    'more than the context holds',
    { promptIds: [1, 2], maxNewTokens: 1_000_000 },
    /2 tokens and 1000000 new ones exceed the model's context of \d+/,
  ],
])('refuses %s', (_, request, message) => {
  expect(() => generateIds(xverse, [request])).toThrow(message);
});

test('Spark refuses a prompt of padding alone', () => {
  expect(() => generateIds(spark, [{ promptIds: [PAD, PAD], maxNewTokens: 1 }])).toThrow(
    'nothing but padding',
  );
});
