import { expect, test } from 'vitest';
import { isSameNumber, lastFlexibleNumber, lastNumber, markedNumber } from './answers.js';

test.each([
  ['x\n#### 1,000', '1000'],
  ['#### -5 and #### 6', '-5'],
  ['#### 10.', '10.'],
  ['#### $5', null],
  ['####5', null],
  ['18', null],
  ['#### 18.0', '18.0'],
])('behind the mark in %j: %j', (text, number) => {
  expect(markedNumber(text)).toBe(number);
});

test.each([
  ['it is $1,234.', '1234'],
  ['5', '5'],
  ['a 7 then 12.50', '12.50'],
  ['none', null],
])('the last flexible number of %j: %j', (text, number) => {
  expect(lastFlexibleNumber(text)).toBe(number);
});

test('the last number: commas end it, another question cuts it', () => {
  expect(lastNumber('It is 1,000')).toBe('000');
  expect(lastNumber('5\nQuestion: 6')).toBe('5');
  expect(isSameNumber('18.0', '18')).toBe(true);
  expect(isSameNumber('000', '1000')).toBe(false);
  expect(isSameNumber(null, '1')).toBe(false);
});
