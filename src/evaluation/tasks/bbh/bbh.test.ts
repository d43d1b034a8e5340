import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { requiresShared } from '../../../../tests/support/requires.js';
import { sharedData } from '../../../../tests/support/shared-data.js';
import { promptText } from '../../model/prompt-text.js';
import { Problems } from '../../problems.js';
import { SetReader } from '../../sets/set-reader.js';
import { bbh, extractAnswer } from './bbh.js';

test.each([
  ['So the answer is (B).', '(B)'],
  ['the answer is (A). No, the answer is (C)', '(C)'],
  ['So the answer is 5..', '5.'],
  ['So the Answer is (B).', 'So the Answer is (B).'],
  [' (B)\n', '(B)'],
  ['(A) and (B)', '(A) and (B)'],
  ['the answer is a b c.\n', 'a b c'],
])('%j says %j', (output, answer) => {
  expect(extractAnswer(output)).toBe(answer);
});

const examples = sharedData('eval-prompts/bbh/cot-prompts/sports_understanding.txt');

test.each(['sports_understanding', 'navigate'])(
  "the prompt of %s is the authors' file, then the question",
  requiresShared(examples, sharedData('eval/bbh')),
  async (stem) => {
    const root = sharedData('eval') ?? '';
    const reader = new SetReader('bbh', root, 'bbh', new Problems());
    const { samples } = await bbh.load(reader, {
      shots: 3,
      isShotsWanted: true,
      isCot: true,
      needsPrompts: true,
      isSingleChoiceOnly: false,
    });
    const sample = samples.find(({ id }) => id === `${stem}/0`);
    if (sample?.prompt === undefined) throw new Error('no sample');
    const file = readFileSync(sharedData(`eval-prompts/bbh/cot-prompts/${stem}.txt`) ?? '', 'utf8');
    const head = file.split('\n').slice(2).join('\n').trimEnd();
    const text = promptText(sample.prompt);
    expect(text.startsWith(`${head}\n\nQ: `)).toBe(true);
    expect(text.endsWith("\nA: Let's think step by step.")).toBe(true);
  },
);
