/** Splits text at a pattern, with the five behaviours of Hugging Face. */
import type { JsonFields } from '../json-fields.js';
import { nextMatch } from './next-match.js';

/** What becomes of the matches of a pattern that cuts a text. */
export type SplitBehavior = 'Removed' | 'Isolated' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous';

/** The `behavior` key; PascalCase or the snake_case of some writers. */
export function parseSplitBehavior(fields: JsonFields): SplitBehavior {
  const name = fields
    .string('behavior')
    .replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  switch (name) {
    case 'Removed':
    case 'Isolated':
    case 'MergedWithPrevious':
    case 'MergedWithNext':
    case 'Contiguous':
      return name;
    default:
      throw fields.mismatch(
        'behavior',
        'Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous',
      );
  }
}

/**
 * Cuts a text at the matches of a pattern (flags g and u, or a literal string) and appends the non-empty parts.
 * @param invert treats what lies between matches as the matches.
 */
export function splitText(
  text: string,
  pattern: string | RegExp,
  behavior: SplitBehavior,
  invert: boolean,
  words: string[],
): void {
  // Two-number entries: end of a part, and 1 if it is a match.
  const ends: number[] = [];
  const isolated = behavior === 'Isolated';
  let end = 0;
  const part = (to: number, isMatch: boolean) => {
    if (to > end) {
      if (isolated) words.push(text.slice(end, to));
      else ends.push(to, isMatch === invert ? 0 : 1);
    }
    end = to;
  };
  if (typeof pattern === 'string') {
    if (pattern !== '') {
      for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, end)) {
        part(at, false);
        part(at + pattern.length, true);
      }
    }
  } else {
    for (let at = 0, match = nextMatch(text, pattern, at); match; match = nextMatch(text, pattern, at)) {
      part(match.start, false);
      part(match.end, true);
      const isEmpty = match.start === match.end;
      at = match.end + (isEmpty ? ((text.codePointAt(match.end) ?? 0) > 0xffff ? 2 : 1) : 0);
    }
  }
  part(text.length, false);
  if (!isolated) appendParts(text, ends, behavior, words);
}

function appendParts(text: string, ends: readonly number[], behavior: SplitBehavior, words: string[]): void {
  let start = 0;
  for (let index = 0; index < ends.length; index += 2) {
    const isMatch = ends[index + 1] === 1;
    const nextIsMatch = ends[index + 3] === 1;
    const isLast = index + 2 >= ends.length;
    const joinsNext =
      !isLast &&
      ((behavior === 'Contiguous' && isMatch === nextIsMatch) ||
        (behavior === 'MergedWithNext' && isMatch && !nextIsMatch) ||
        (behavior === 'MergedWithPrevious' && !isMatch && nextIsMatch));
    if (joinsNext) continue;
    const end = ends[index]!;
    if (behavior !== 'Removed' || !isMatch) words.push(text.slice(start, end));
    start = end;
  }
}
