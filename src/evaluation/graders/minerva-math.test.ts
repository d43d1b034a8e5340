import { expect, test } from 'vitest';
import { isSameMinervaText, minervaAnswer, normalizeMinerva } from './minerva-math.js';

test('the answer stands behind the sentence, whose end may be lacking', () => {
  expect(minervaAnswer('x. Final Answer: The final answer is $4$. I hope it is correct.')).toBe('$4$');
  expect(minervaAnswer('Final Answer: The final answer is $4$. ')).toBe('$4$');
  // The sentence is added without a blank: a text that ends with the number has none before it.
  expect(minervaAnswer('Final Answer: The final answer is $4$')).toBe('[invalidanswer]');
  expect(minervaAnswer('The answer is 4.')).toBe('[invalidanswer]');
});

test.each([
  ['x = 5', '5'],
  ['$\\frac12$', '\\frac{1}{2}'],
  ['10 cm', '10'],
  ['1,000', '1000'],
  ['\\text{seven} dollars', 'seven'],
  ['\\boxed{3}', '3'],
  ['\\sqrt2', '\\sqrt{2}'],
  ['12,345,678', '12345678'],
  ['1,²', '1²'],
  ['1,000x', '1,000x'],
  ['a $b$ c $d$', 'b'],
  ['$a', 'a'],
  ['\\boxed{\\boxed{3}}', '\\boxed{3}'],
  ['\\text{a}\\text{b', 'a\\text{b'],
  ['(1,\\text{and}2)', '(1,2)'],
  ['90^\\circ', '90'],
  ['', ''],
])('%j is spelled %j', (given, spelled) => {
  expect(normalizeMinerva(given)).toBe(spelled);
});

test('equal texts are the same, others are not told', () => {
  expect(isSameMinervaText('$5$ meters', '5')).toBe(true);
  expect(isSameMinervaText('6/5', '1.2')).toBe(false);
});
