import { describe, expect, test } from 'vitest';
import { pythonPattern, selectMatch } from './python-pattern.js';

// What CPython 3.11's re.findall gives.
test.each<[string, string, readonly (string | readonly string[])[]]>([
  ['#### (\\-?[0-9\\.\\,]+)', 'so\n#### -1,234.5 end', ['-1,234.5']],
  [
    '(-?[$0-9.,]{2,})|(-?[0-9]+)',
    '$12 and 3',
    [
      ['$12', ''],
      ['', '3'],
    ],
  ],
  ['\\.$', '5.\n', ['.']],
  ['\\.$', '5.\n\n', []],
  ['(?s).*#### ', 'a\nb#### c', ['a\nb#### ']],
  ['.*', 'a\nb', ['a', '', 'b', '']],
  ['.', 'a\r\u2028', ['a', '\r', '\u2028']],
  ['\\d+', '12 ٣٤ ²', ['12', '٣٤']],
  ['\\b(Yes|No)\\b', 'éYes Yes, No', ['Yes', 'No']],
  ['\\bé', 'aé é', ['é']],
  ['\\s+$', 'x \x1f\u3000', [' \x1f\u3000']],
  ['[]a]+', 'a]b', ['a]']],
  ['[^]a]', 'a]b', ['b']],
  ['[a-]', 'a-b', ['a', '-']],
  ['[\\w-]+', 'a-é_b c', ['a-é_b', 'c']],
  ['[\\s,]+', 'a, b', [', ']],
  ['{a}', '{a}', ['{a}']],
  ['a{,2}b', 'aab', ['aab']],
  ['x{2}', 'xxx', ['xx']],
  ['(?P<n>a)(?P=n)', 'aab', ['a']],
  ['(?i)ab', 'AB', ['AB']],
  ['\\Aa|b\\Z', 'ab', ['a', 'b']],
  ['(?m)^a$', 'a\na', ['a', 'a']],
  ['(?x) a b # note\n c', 'abc', ['abc']],
  ['\\u0041\\x42', 'AB', ['AB']],
  ['(a)\\1', 'aa', ['a']],
  ['"\\!\\"\\/', '"!"/', ['"!"/']],
  ['(?<=answer is )(.*)(?=.)', 'the answer is 12.', ['12']],
  ['答案是 (\\-?[0-9\\.\\,]+)。', '答案是 12。', ['12']],
])('%j on %j', (pattern, text, expected) => {
  expect(pythonPattern(pattern).findAll(text)).toEqual(expected);
});

describe('refuses by name', () => {
  test.each([
    ['a*+', 'possessive'],
    ['(?>a)', '"(?>a" is not supported'],
    ['(?(1)a)', 'is not supported'],
    ['a\\', 'ends with a backslash'],
    ['[a', 'a class is not closed'],
    ['(a', 'Unterminated group'],
    ['\\q', 'there is no escape \\q'],
    ['a**', 'Nothing to repeat'],
  ])('%j', (pattern, problem) => {
    expect(() => pythonPattern(pattern)).toThrow(problem);
  });
});

test('the match at a place, stripped; of groups the first that is not empty', () => {
  const pattern = pythonPattern('(-?[$0-9.,]{2,})|(-?[0-9]+)');
  expect(selectMatch(pattern.findAll('1, 2 and 30'), -1)).toBe('30');
  expect(selectMatch(pattern.findAll('7'), 0)).toBe('7');
  expect(selectMatch(pattern.findAll('none'), 0)).toBeUndefined();
  expect(pythonPattern(',').replaceAll('1,0,0', '$&')).toBe('1$&0$&0');
});
