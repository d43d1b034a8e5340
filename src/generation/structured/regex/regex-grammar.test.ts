import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acceptor } from '../../../../tests/support/grammars/accepts.js';
import { InputError } from '../../../errors/index.js';

const regex = (pattern: string) => acceptor({ kind: 'regex', pattern });

test.each([
  ['a|bc', ['a', 'bc'], ['', 'b', 'abc']],
  ['(ab)*?c', ['c', 'ababc'], ['abab', 'ac']],
  ['\\d{3}-\\d{2,4}', ['123-45', '123-4567'], ['123-4', '123-45678', '12-345']],
  ['^(?:yes|no)$', ['yes', 'no'], ['yesno', '']],
  ['(?<year>\\d+)年', ['2024年'], ['年', '2024']],
  ['[^a-c\\]]+', ['xyz', '世界'], ['a', ']']],
  ['.', ['a', '世', '😀'], ['\n', '\u2028', '', 'ab']],
  ['[\\u4e00-\\u9fff]{2}', ['世界'], ['世', 'ab']],
  ['\\p{Script=Han}+', ['汉字'], ['abc']],
  ['[😀-😂]', ['😁'], ['😃']],
  ['\\ud83d\\ude00', ['😀'], ['\ufffd']],
  ['a{0}b', ['b'], ['ab']],
  ['', [''], ['a']],
  ['()*(|a)+', ['', 'aaa'], ['b']],
  ['(a|a)*b', ['b', `${'a'.repeat(5000)}b`], ['a']],
  ['(a*)*b', [`${'a'.repeat(5000)}b`], ['a'.repeat(5000)]],
  ['[\\b\\-x]', ['\b', '-', 'x'], ['b']],
  ['(?=.*\\d)(?=.*[a-z])\\w{4,}', ['ab1c', '1aaa'], ['abcd', '1234', 'a1']],
  ['(?:(?!--).)+', ['a-b', 'x'], ['a--b', '']],
  ['a(?!b).', ['ac', 'a世'], ['ab', 'a']],
  ['(?:^a|b)+c?', ['abc', 'bb', 'a'], ['aa', 'ba']],
  ['(?:a$|ab)', ['a', 'ab'], ['b']],
  ['\\w+\\b.\\b\\w+', ['a b', 'x-yz'], ['ab', 'a  b']],
  ['a\\Bb', ['ab'], ['a', 'a b']],
] as const)('%s', (pattern, matching, others) => {
  const accepts = regex(pattern);
  for (const text of matching) expect(accepts(text), text.slice(0, 20)).toBe(true);
  for (const text of others) expect(accepts(text), text.slice(0, 20)).toBe(false);
});

test.each([
  ['x(?<=b)', 'a look-behind', 2],
  ['x(?<!b)', 'a look-behind', 2],
  ['(a)\\1', 'a back-reference', 4],
  ['(?<n>a)\\k<n>', 'a back-reference', 8],
  ['(?i)a', 'the group "(?i"', 1],
  ['a++', 'the quantifier "+" after another', 3],
  ['*a', 'the quantifier "*" with nothing before it', 1],
  ['(a', 'a "(" that is not closed', 1],
  ['a)', 'a ")" that closes nothing', 2],
  ['[a', 'a "[" that is not closed', 1],
  ['a{2,1}', 'a count whose bounds are the wrong way round', 2],
  ['a{1000000}', 'a count above 100000', 2],
  ['\\q', 'the escape \\q', 1],
  ['\\p{Nonsense}', 'no property of Unicode', 1],
  ['[z-a]', 'a range whose ends are the wrong way round', 3],
  ['\\', 'a backslash at the end', 1],
  ['\\uD800', 'which is no character', 1],
])('%s is refused with its place', (pattern, message, position) => {
  expect(() => regex(pattern)).toThrow(InputError);
  expect(() => regex(pattern)).toThrow(message);
  expect(() => regex(pattern)).toThrow(`at character ${position},`);
});

test('a pattern too long or too deep', () => {
  expect(() => regex('a'.repeat(8193))).toThrow('at most 8192');
  expect(() => regex(`${'('.repeat(500)}a${')'.repeat(500)}`)).toThrow('groups more than 100 deep');
});

test('repetitions within repetitions end, by a result or by a refusal', () => {
  const start = performance.now();
  expect(() => regex('((a{0,300}){0,300}){0,300}')).toThrow('too ambiguous');
  expect(() => regex('((a{1,300}){1,300}){1,300}')('a'.repeat(20_000))).toThrow('too ambiguous');
  expect(regex('(a{1,9}){1,9}')('a'.repeat(81))).toBe(true);
  // About 0.3 s here; a machine under load may take several times that, never minutes.
  expect(performance.now() - start).toBeLessThan(10_000);
});

describe('random patterns', () => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '世',
    '\\d',
    '\\w',
    '(?:a|bc)',
    '(b|)',
    '\\u4e16',
    '(?=a|世)',
    '(?!b)',
    '(?:(?!a).)',
    '\\b',
    '(?:^|a)',
    '(?:$|b)',
  );
  const item = fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '*?'));
  const assertion = fc.constantFrom(
    '(?=a|世)',
    '(?!b)',
    '(?!a).',
    '\\b',
    '(?:^|a)',
    '(?:$|b)',
    '(?:(?!a).)*',
  );
  const sequence = fc
    .array(fc.oneof({ weight: 8, arbitrary: item.map(([body, times]) => body + times) }, assertion), {
      maxLength: 4,
    })
    .map((items) => items.join(''));
  const pattern = fc
    .array(
      fc.oneof(
        sequence,
        fc.tuple(sequence, sequence).map(([a, b]) => `${a}(?:${b})*`),
      ),
      { minLength: 1, maxLength: 3 },
    )
    .map((options) => options.join('|'));
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', '1', '世', '\n', '😀'), { maxLength: 8 })
    .map((all) => all.join(''));

  test('match what JavaScript matches', () => {
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 12 }), (source, texts) => {
        let accepts: (text: string) => boolean;
        try {
          accepts = regex(source);
        } catch (error) {
          // Assertions that are repeated, or that nothing fulfils.
          expect((error as Error).message).toMatch(
            /may be empty|quantifier after|no text that ends|takes longer/,
          );
          return;
        }
        const theirs = new RegExp(`^(?:${source})$`, 'u');
        for (const each of texts) expect(accepts(each), `${source} on ${each}`).toBe(theirs.test(each));
      }),
      { numRuns: 400 },
    );
  });

  test('any text as a pattern is compiled or refused, never a fault', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'ab()[]{}*+?|^$.\\-,12dwpux<>:=!😀世') }),
        (source) => {
          try {
            regex(source)('ab');
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
            return;
          }
          // What we take, JavaScript takes as well.
          expect(() => new RegExp(source.replaceAll('(?P<', '(?<'))).not.toThrow();
        },
      ),
      { numRuns: 1500 },
    );
  });
});
