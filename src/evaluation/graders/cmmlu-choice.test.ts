/** What CMMLU's own code answers, run on it; none where it draws one at random. */
import { expect, test } from 'vitest';
import { cmmluChoice } from './cmmlu-choice.js';

test.each([
  ['A', 'A'],
  ['B错', 'B'],
  ['答案是：C', 'C'],
  ['答案选项是D', 'D'],
  ['故选：B', 'B'],
  ['选择 C', 'C'],
  ['选C', 'C'],
  ['C选项正确', 'C'],
  ['正确选项是B', 'B'],
  ['答案应该是D', 'D'],
  ['选项B正确', 'B'],
  ['选项 B 是正确的', 'B'],
  ['选择答案A', 'A'],
  ['答：B', 'B'],
  ['案B', 'B'],
  ['答案B', 'B'],
  ['B符合题意', 'B'],
  ['C项是符合题意', 'C'],
  ['答案选项：A', 'A'],
  ['答案选项为“甲乙”即D', 'D'],
  ['A和C都好，D当选', 'A'],
  ['A错B错C正确', 'A'],
  ['A错\nB正确', 'A'],
  ['正确', ''],
  ['不是：A', 'A'],
  ['那是：A', 'A'],
  ['只有 D 一个', 'D'],
  ['A 或 B', 'A'],
  ['是A是B', 'B'],
  ['Ａ', ''],
  [' A', 'A'],
  ['答案为E或D', 'D'],
  ['最后 A B', ''],
  ['', ''],
])('%j is %j', (output, letter) => {
  expect(cmmluChoice(output)).toBe(letter);
});
