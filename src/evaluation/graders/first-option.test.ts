/** What OpenCompass' first_option answers, run on it; the last rows are of its patterns one by one. */
import { expect, test } from 'vitest';
import { firstOption } from './first-option.js';

test.each([
  ['故选A', 'A'],
  ['选C', 'C'],
  ['A错误，B正确', 'A'],
  ['A or B', 'B'],
  ['Among the options, D is best', 'A'],
  ['Because C is wrong, the answer is D.', 'D'],
  ['answer: c', ''],
  ['答案【B】', 'B'],
  ['D\nA', 'A'],
  ['E', ''],
  ['\\boxed{C}', 'C'],
  ['因为1.5大于1，所以选B', 'B'],
  ['', ''],
  ['答案：D', 'D'],
  ['答案选项应为 B', 'B'],
  ['答案选项 (**C**)', 'C'],
  ['选择 D，不选A', 'D'],
  ['只有选项B错误', 'B'],
  ['说法不正确的是C', 'C'],
  ['A不是，D是正确的', 'D'],
  ['所以B。', 'B'],
  ['A,B，故C。', 'C'],
  ['ANSWER : B', 'B'],
  ['A. The correct option is: x \\boxed{D}', 'D'],
  ['^A选项 B', 'B'],
  ['B. because of A', 'A'],
  ['B. because of it', 'B'],
  // A number and a dot begin a list; what follows to the end counts.
  ['1. B then A', 'A'],
  // Full-width letters are none; several letters, lists, lines of Windows, boxes in boxes.
  ['Ａ', ''],
  ['答案是Ｂ', ''],
  ['A\r\n', 'A'],
  ['\r\nB\r\n', 'B'],
  ['ABCD', 'A'],
  ['AC', 'A'],
  ['【答案】 C', 'C'],
  ['答案: D', 'D'],
  ['选ACD', 'A'],
  ['A.\nB.\nC.', 'C'],
  ['答案是 选项B', 'B'],
  ['\\boxed{\\text{D}}', 'D'],
  ['The correct answer is \\boxed{\\frac{C}{2}} or \\boxed{B}', 'B'],
  ['最终选择：B', 'B'],
  ['Option B', 'B'],
  ['I think it is B.', 'B'],
  ['1.5', ''],
  ['1. A\n2. B', 'B'],
  [`${'x'.repeat(1000)}D`, 'D'],
  ['答案不是A', 'A'],
  ['a, b, c, D', 'D'],
  ['(C)', 'C'],
  ['[C]', 'C'],
  ['C)', 'C'],
  ['D:', 'D'],
  ['"C"', 'C'],
  ['选项:C', 'C'],
])('%j is %j', (output, letter) => {
  expect(firstOption(output, 'ABCD')).toBe(letter);
});

test('only the options that the question has', () => {
  expect(firstOption('E', 'ABCDE')).toBe('E');
  expect(firstOption('The answer is G', 'ABC')).toBe('');
});

test("Python's white space: a byte order mark is none, a file separator is", () => {
  expect(firstOption('\ufeffA\ufeff', 'ABCD')).toBe('A');
  expect(firstOption('x\x1cB', 'ABCD')).toBe('B');
});
