/** What C-Eval's own code answers, run on it. */
import { expect, test } from 'vitest';
import { cevalChoice } from './ceval-choice.js';

test.each([
  ['A', 'A'],
  ['选B', 'B'],
  ['选项C', 'C'],
  ['B 选A', 'B'],
  ['答案是 D', 'D'],
  ['答案是选项 C', 'C'],
  ['答案为:选B', 'B'],
  ['答案应该是：A', 'A'],
  ['正确的一项是 C', 'C'],
  ['答案是A，不，答案是B', 'B'],
  ['答案：A。答案是B', 'B'],
  ['我选C', ''],
  ['答案是Ａ', ''],
  ['答案【B】', ''],
  ['E', ''],
  ['b', ''],
  ['\nC', 'C'],
  ['1. 答案选 D', 'D'],
  ['答案是：B\r\n答案是：C', 'C'],
  ['答案应该是B', ''],
  ['', ''],
])('%j is %j', (output, letter) => {
  expect(cevalChoice(output)).toBe(letter);
});
