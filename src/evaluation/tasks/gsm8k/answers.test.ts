import { expect, test } from 'vitest';
import { isSameNumber, lastFlexibleNumber, lastNumber, markedNumber, strictNumber } from './answers.js';

test.each([
  ['x\n#### 1,000', '1000'],
  ['#### -5 and #### 6', '-5'],
  ['#### 10.', '10.'],
  ['#### $5', null],
  ['####5', null],
  ['18', null],
  ['#### 18.0', '18.0'],
  ['#### -1,234.5\r\n', '-1234.5'],
  ['#### 1/2', '1'],
  ['####  7', null],
  ['#### １８', null],
  ['#### .', '.'],
  ['', null],
])('behind the mark in %j: %j', (text, number) => {
  expect(markedNumber(text)).toBe(number);
});

test('strictly: a final dot goes', () => {
  expect(strictNumber('so #### 10.')).toBe('10');
  expect(strictNumber('#### 1,000.')).toBe('1000');
  expect(strictNumber('10')).toBeNull();
});

test.each([
  ['it is $1,234.', '1234'],
  ['5', '5'],
  ['a 7 then 12.50', '12.50'],
  ['none', null],
  ['minus -$1,000.00', '-1000.00'],
  ['5...', '5..'],
  ['', null],
])('the last flexible number of %j: %j', (text, number) => {
  expect(lastFlexibleNumber(text)).toBe(number);
});

test('the last number: commas end it, another question cuts it', () => {
  expect(lastNumber('It is 1,000')).toBe('000');
  expect(lastNumber('5\nQuestion: 6')).toBe('5');
  expect(isSameNumber('18.0', '18')).toBe(true);
  expect(isSameNumber('000', '1000')).toBe(false);
  // Digits of every script are digits, in Python.
  expect(lastNumber('是１８。')).toBe('１８');
  expect(isSameNumber('１８', '18')).toBe(true);
  expect(isSameNumber('-𝟏𝟖.٠', '-18')).toBe(true);
  expect(isSameNumber('18.5', '18')).toBe(false);
  expect(isSameNumber(null, '1')).toBe(false);
});
