/** The rule of the MATH set step by step; its blind spots are part of it. */
import { expect, test } from 'vitest';
import { isEquivalentMath, lastBoxed, normalizeMath } from './hendrycks-math.js';

test.each([
  ['so \\boxed{3}', '3'],
  ['\\boxed{1} and \\boxed{2}', '2'],
  ['\\boxed{\\frac{1}{2}}.', '\\frac{1}{2}'],
  ['\\fbox{3}', null],
  ['\\boxed{3', null],
  ['\\boxed 3', null],
  ['no box', null],
])('the box of %j is %j', (text, inside) => {
  expect(lastBoxed(text)).toBe(inside);
});

test.each([
  ['1\n2', '12'],
  ['\\frac12', '\\frac{1}{2}'],
  ['\\frac1{72}', '\\frac{1}{72}'],
  ['\\tfrac{1}{2}', '\\frac{1}{2}'],
  ['1/2', '\\frac{1}{2}'],
  ['-3/4', '\\frac{-3}{4}'],
  ['0.5', '\\frac{1}{2}'],
  ['.5', '\\frac{1}{2}'],
  ['x=5', '5'],
  ['abc=5', 'abc=5'],
  ['10\\text{ cm}', '10'],
  ['10\\text{cm}', '10\\text{cm}'],
  ['\\sqrt3', '\\sqrt{3}'],
  ['90^\\circ', '90'],
  ['\\$5', '5'],
  ['50\\%', '50'],
  ['\\left( 1, 2 \\right)', '(1,2)'],
  ['01/2', '01/2'],
  ['\\frac1', '\\frac1'],
  ['', ''],
])('%j is spelled %j', (given, spelled) => {
  expect(normalizeMath(given)).toBe(spelled);
});

test.each([
  ['1,2', '2,1', false],
  ['1.2', '6/5', false],
  ['x\\in[1,2]', '[1,2]', false],
  ['1,000', '1000', false],
  ['\\frac{1}{2}+1', '.5+1', false],
  // Where the rule gives up, the texts themselves decide.
  ['\\sqrt', '\\sqrt', true],
  ['\\sqrt', '\\sqrt ', false],
  ['a\\text{ b}\\text{ c}', 'a\\text{ b}\\text{ c}', true],
  [null, '1', false],
])('%j and %j: %j', (given, expected, isSame) => {
  expect(isEquivalentMath(given, expected)).toBe(isSame);
});
