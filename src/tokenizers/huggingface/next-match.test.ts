import { expect, test } from 'vitest';
import { type Match, nextMatch } from './next-match.js';

const GPT2 = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
const MILLIONS = 6e6;

function allMatches(text: string, pattern: RegExp): Match[] {
  const found: Match[] = [];
  for (let match = nextMatch(text, pattern, 0); match; match = nextMatch(text, pattern, match.end))
    found.push(match);
  return found;
}

test('a word of millions of letters is one match, on which the engine itself gives up', () => {
  const run = '林'.repeat(MILLIONS);
  GPT2.lastIndex = 0;
  expect(() => GPT2.exec(run)).toThrow(RangeError);
  expect(allMatches(run, GPT2)).toEqual([{ start: 0, end: MILLIONS }]);
});

test('what stands before and behind it is found as ever, surrogate pairs are not cut', () => {
  const text = `ab 12 ${'林'.repeat(MILLIONS)}!? ${'𠀀'.repeat(MILLIONS / 2)} z`;
  const words = allMatches(text, GPT2).map(({ start, end }) => [
    text.slice(start, Math.min(end, start + 2)),
    end - start,
  ]);
  expect(words).toEqual([
    ['ab', 2],
    [' 1', 3],
    [' 林', MILLIONS + 1],
    ['!?', 2],
    [' \ud840', MILLIONS + 1],
    [' z', 2],
  ]);
});

test('spaces before a word leave the last one to it', () => {
  const text = `林${'\u3000'.repeat(MILLIONS)}林`;
  expect(allMatches(text, GPT2).map(({ end }) => end)).toEqual([1, MILLIONS, MILLIONS + 1, MILLIONS + 2]);
});
