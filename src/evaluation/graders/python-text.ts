/**
 * What Python's text functions mean, for graders that were written in Python: its white space is not JavaScript's, its dot
 * stops at \n alone, and it counts code points.
 */

/** A class for regular expressions: the characters that str.isspace() and \s know. */
export const PYTHON_SPACE =
  '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';

const START = new RegExp(`^${PYTHON_SPACE}+`, 'u');
const END = new RegExp(`${PYTHON_SPACE}+$`, 'u');
const ALL = new RegExp(`${PYTHON_SPACE}+`, 'gu');

/** str.strip() */
export function strip(text: string): string {
  return text.replace(START, '').replace(END, '');
}

/** ''.join(text.split()) */
export function withoutSpace(text: string): string {
  return text.replace(ALL, '');
}

/** The last `count` characters, in code points. */
export function lastCharacters(text: string, count: number): string {
  return Array.from(text).slice(-count).join('');
}

/** len(text): code points. */
export function characterCount(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** The part behind the last `mark`; undefined without one. */
export function afterLast(text: string, mark: string): string | undefined {
  const at = text.lastIndexOf(mark);
  return at < 0 ? undefined : text.slice(at + mark.length);
}
