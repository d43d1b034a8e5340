/** What sympy's simplify(a - b) == 0 says, run on it; undefined where lists and relations leave it to the texts. */
import { expect, test } from 'vitest';
import { isSameFormula } from './same-formula.js';

test.each([
  ['6/5', '1.2', true],
  ['\\frac{1}{2}', '0.5', true],
  ['0.333', '\\frac{1}{3}', false],
  ['(x+1)(x-1)', 'x^2-1', true],
  ['(x+1)^2', 'x^2+2x+1', true],
  ['(x+1)^2', 'x^2+2x+2', false],
  ['2\\sqrt{2}', '\\sqrt{8}', true],
  ['\\frac{\\sqrt{2}}{2}', '\\frac{1}{\\sqrt{2}}', true],
  ['x+y', 'y+x', true],
  ['\\sqrt{x^2}', 'x', false],
  ['|x|', 'x', false],
  // Factors without a sign bind tighter than a slash; a number before a fraction is a factor.
  ['1/2x', 'x/2', false],
  ['2\\frac{1}{2}', '2.5', false],
  ['a/b/c', 'a/(bc)', true],
  ['\\sin^2x+\\cos^2x', '1', true],
  ['\\log_2 8', '3', true],
  ['5!', '120', true],
  ['10^{20}+1', '10^{20}', false],
  ['3\\pi', '\\pi*3', true],
  // The letter, and no number.
  ['\\pi', '3.14159265358979', false],
  ['e^{i\\pi}', '-1', false],
  ['\\frac{x^2-1}{x-1}', 'x+1', true],
  ['\\binom{5}{2}', '10', true],
  ['x^{1/2}', '\\sqrt{x}', true],
  ['-x^2', '(-x)^2', false],
  ['2^3^2', '2^9', false],
  ['1,000', '1000', true],
  ['\\sqrt[3]{27}', '3', true],
  ['(1,2)', '(1,2)', undefined],
  ['[2,5)', '[2,5)', undefined],
  ['x\\le5', '5\\ge x', undefined],
  ['\\frac{1}{0}', '1', undefined],
  ['10000!', '1', undefined],
  ['9^{9^{9^9}}', '1', undefined],
  ['('.repeat(900), '1', undefined],
  ['', '1', undefined],
])('%j and %j: %j', (given, expected, isSame) => {
  expect(isSameFormula(given, expected)).toBe(isSame);
});
