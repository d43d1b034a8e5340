import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopStringMatcher } from './stop-strings.js';

function run(
  stopStrings: readonly string[],
  pieces: readonly string[],
): { texts: string[]; stopped?: string } {
  const matcher = new StopStringMatcher(stopStrings);
  const texts: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = matcher.push(piece);
    texts.push(text);
    if (stopped !== undefined) return { texts, stopped };
  }
  texts.push(matcher.flush().text);
  return { texts };
}

describe('StopStringMatcher', () => {
  it('holds back only what may begin a stop string', () => {
    expect(run(['\n用户'], ['好', '的\n', '用', '户', '问'])).toEqual({
      texts: ['好', '的', '', ''],
      stopped: '\n用户',
    });
    expect(run(['\n用户'], ['好\n', '用', '法', '\n'])).toEqual({ texts: ['好', '', '\n用法', '', '\n'] });
  });

  it('finds a stop string that begins inside a failed one', () => {
    expect(run(['aab'], ['aa', 'a', 'b'])).toEqual({ texts: ['', 'a', ''], stopped: 'aab' });
    expect(run(['abc', 'b'], ['xa', 'bc'])).toEqual({ texts: ['x', 'a'], stopped: 'b' });
    expect(run(['b', 'ab'], ['xa', 'b'])).toEqual({ texts: ['x', ''], stopped: 'ab' });
  });

  it('gives nothing more after the stop', () => {
    const matcher = new StopStringMatcher(['x']);
    expect(matcher.push('axb')).toEqual({ text: 'a', stopped: 'x' });
    expect(matcher.push('c')).toEqual({ text: '', stopped: 'x' });
    expect(matcher.flush()).toEqual({ text: '', stopped: 'x' });
  });

  it('passes everything through without stop strings, and refuses an empty one', () => {
    expect(run([], ['a', 'b'])).toEqual({ texts: ['a', 'b', ''] });
    expect(() => new StopStringMatcher(['a', ''])).toThrow('number 2 of 2 is empty');
  });

  it('does as a search of the whole text does, however the text is cut', () => {
    const letters = (maxLength: number): fc.Arbitrary<string> =>
      fc.string({ unit: fc.constantFrom('a', 'b', '星'), maxLength });
    fc.assert(
      fc.property(
        fc.array(
          letters(4).filter((text) => text !== ''),
          { maxLength: 3 },
        ),
        fc.array(letters(5), { maxLength: 12 }),
        (stopStrings, pieces) => {
          const text = pieces.join('');
          let expected: { text: string; stopped?: string } = { text };
          search: for (let end = 1; end <= text.length; end++) {
            for (const stop of stopStrings.toSorted((a, b) => b.length - a.length)) {
              if (!text.slice(0, end).endsWith(stop)) continue;
              expected = { text: text.slice(0, end - stop.length), stopped: stop };
              break search;
            }
          }
          const { texts, ...rest } = run(stopStrings, pieces);
          expect({ text: texts.join(''), ...rest }).toEqual(expected);
          // Never more held back than one character less than the longest stop string.
          const longest = Math.max(1, ...stopStrings.map((stop) => stop.length));
          if (rest.stopped === undefined) expect(texts.at(-1)!.length).toBeLessThan(longest);
        },
      ),
      { numRuns: 500 },
    );
  });
});
