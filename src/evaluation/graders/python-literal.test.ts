import { expect, test } from 'vitest';
import { parsePythonLiteral } from './python-literal.js';

test('what repr() writes', () => {
  const text = `{'a': None, "b": ['(A)x', "it's"], 'c': True, 'd': -1.5, 'e': 'a\\n\\'\\\\frac\\u00e9', 'f': ()}`;
  expect(parsePythonLiteral(text, 'x')).toEqual({
    a: null,
    b: ['(A)x', "it's"],
    c: true,
    d: -1.5,
    e: "a\n'\\fracé",
    f: [],
  });
});

test.each(["{'a': 1", 'open("x")', "'a' 'b'", "['a' 'b']", ''])('%j is refused', (text) => {
  expect(() => parsePythonLiteral(text, 'prompts.csv: math')).toThrow(
    /prompts\.csv: math: not a Python literal/,
  );
});
