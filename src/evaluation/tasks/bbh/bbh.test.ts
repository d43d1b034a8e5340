import { expect, test } from 'vitest';
import { extractAnswer } from './bbh.js';

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
