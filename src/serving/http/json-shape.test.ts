import { expect, test } from 'vitest';
import { JsonMeter } from './json-shape.js';

/** Read in pieces of `length` bytes. */
function measured(text: string, length = text.length): JsonMeter {
  const meter = new JsonMeter();
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += length)
    meter.push(bytes.subarray(start, start + length));
  return meter;
}

test('objects, lists, keys, values and depth, whatever stands in strings', () => {
  const { depth, parts, values } = measured('{"a": [1, 2, {"b,:[": "\\"[{"}], "c": 3}');
  expect({ depth, parts, values }).toEqual({ depth: 3, parts: 6, values: 3 });
});

test.each([
  ['"\\ud83d\\ude00"', undefined],
  ['"\\uD83D\\uDE00 \\u0041"', undefined],
  ['"\\\\ud83d"', undefined],
  ['"\\ud83d"', '\\ud83d'],
  ['"\\ud83d\\n"', '\\ud83d'],
  ['"\\ud83dx"', '\\ud83d'],
  ['"\\ud83d\\u0041"', '\\ud83d'],
  ['"\\ude00"', '\\ude00'],
  ['"\\ud83d\\ude00\\ude00"', '\\ude00'],
  ['["\\ud83d", "\\ude00"]', '\\ud83d'],
  ['"\\ud83d\\ud83d\\ude00"', '\\ud83d'],
])('half a character in %s: %s', (text, shown) => {
  expect(measured(text).loneSurrogate?.shown).toBe(shown);
  expect(measured(text, 1).loneSurrogate?.shown).toBe(shown);
});
