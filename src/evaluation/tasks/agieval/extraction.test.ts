import { expect, test } from 'vitest';
import { extractCloze, extractOne, extractSeveral } from './extraction.js';

const zero = { isFewShot: false, isCot: false };
const few = { isFewShot: true, isCot: false };
const fewCot = { isFewShot: true, isCot: true };

test.each([
  ['Because it is D', zero, 'en', 'B'],
  ['(C)', zero, 'zh', 'C'],
  ['none', zero, 'en', ''],
  ['G', zero, 'en', ''],
  ['Because the answer is therefore G', few, 'en', 'G'],
  ['答案是 C', few, 'zh', 'C'],
  ['Because the answer is\nD', few, 'en', 'B'],
  ['the answer is A\nso the answer is D\n \n', fewCot, 'en', 'D'],
  // No phrase in the last line: the first letter of the whole.
  ['the answer is D\nBye', fewCot, 'en', 'D'],
  ['Cold. the answer is D\nBye', fewCot, 'en', 'C'],
] as const)('one answer of %j (%j, %s): %j', (output, setting, language, letter) => {
  expect(extractOne(output, setting, language)).toBe(letter);
});

test('several answers: every letter, in the last line alone where thoughts come first', () => {
  expect(extractSeveral('A and C, not G', zero)).toEqual(['A', 'C']);
  expect(extractSeveral('A\n答案是 BD\n', fewCot)).toEqual(['B', 'D']);
  expect(extractSeveral('', zero)).toEqual([]);
});

test.each([
  ['The answer is therefore $5$.', few, '$5$.'],
  ['x 答案是 3 ', few, '3'],
  ['thoughts\nThe answer is therefore 7\n', fewCot, '7'],
  ['so \\boxed{x = 5}', zero, '5'],
  ['\\fbox{5} and \\boxed 5', zero, null],
  ['$a$ and $b = 7$', zero, '7'],
  ['$a$ one\n$b$ two', zero, 'b'],
  ['x = 4..', zero, '4'],
  ['x = 4\\nmore', zero, '4'],
  ['about $3.50 or 12', zero, '12'],
  ['12cm and 7', zero, '7'],
  ['no number', zero, null],
] as const)('a cloze of %j (%j): %j', (output, setting, found) => {
  expect(extractCloze(output, setting)).toBe(found);
});
