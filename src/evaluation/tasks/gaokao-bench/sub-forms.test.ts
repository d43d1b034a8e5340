import { expect, test } from 'vitest';
import { extractAnswers, pointsOf, possiblePoints } from './sub-forms.js';

test.each([
  ['A, then B', ['B']],
  ['Ａ', []],
  ['b', []],
  ['', []],
])('one choice of %j: %j', (output, found) => {
  expect(extractAnswers('single_choice', output, 1)).toEqual(found);
});

test.each([
  ['【答案】A 【答案】: B', 2, ['A', 'B']],
  ['【答案】A 【答案】 ： ： B <eoa>', 2, ['A', 'B']],
  // Another number of marks: the first capitals anywhere, words too.
  ['【答案】A and Xerox', 2, ['A', 'X']],
  ['【答案】A【答案】B【答案】C', 2, ['A', 'B']],
  ['none', 2, []],
  ['【答案】E', 1, ['E']],
])('several questions of %j, %d: %j', (output, count, found) => {
  expect(extractAnswers('multi_question_choice', output, count)).toEqual(found);
});

test.each([
  ['解析 【答案】 A C <eoa> 又 B', ['ACB']],
  ['【答案】 AC', ['AC']],
  // A mark that begins the text is none: the last ten characters count.
  ['【答案】 A but then a long tail of words D', ['D']],
  ['A 234567890123', []],
  ['C\n1 2 3 4 5 6 7 8 9', ['C']],
  ['nothing', []],
])('physics of %j: %j', (output, found) => {
  expect(extractAnswers('multi_choice', output, 1)).toEqual(found);
});

test('five of seven: the first five letters', () => {
  expect(extractAnswers('five_out_of_seven', 'Answer: A B C D E F', 5)).toEqual(['A', 'A', 'B', 'C', 'D']);
  expect(extractAnswers('five_out_of_seven', 'GFE', 5)).toEqual(['G', 'F', 'E']);
});

test.each([
  [['A', 'B'], ['A', 'C'], 2, 2],
  [['A'], ['A', 'C'], 2, 0],
  [['A', 'C'], ['A', 'C'], 1.5, 3],
])('%j for %j at %d earns %d', (given, right, score, points) => {
  expect(pointsOf('multi_question_choice', given, right, score)).toBe(points);
});

test.each([
  ['AC', 'AC', 6],
  ['CA', 'AC', 3],
  ['ACAC', 'AC', 3],
  ['A', 'AC', 3],
  ['AB', 'AC', 0],
])('physics: %j for %j earns %d, whatever the item says', (given, right, points) => {
  expect(pointsOf('multi_choice', [given], [right], 4)).toBe(points);
});

test('nothing found earns nothing', () => {
  expect(pointsOf('multi_choice', [], ['AC'], 6)).toBe(0);
  expect(possiblePoints('multi_choice', 1, 4)).toBe(6);
  expect(possiblePoints('five_out_of_seven', 5, 2)).toBe(10);
});
