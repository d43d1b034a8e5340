/**
 * What Python's text functions mean, for graders that were written in Python: its white space is not JavaScript's, its dot
 * stops at \n alone, and it counts code points.
 */

/** A class for regular expressions: the characters that str.isspace() and \s know. */
export const PYTHON_SPACE =
  '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';

const IS_SPACE = new RegExp(PYTHON_SPACE, 'u');
const ALL = new RegExp(`${PYTHON_SPACE}+`, 'gu');

/** str.strip(). Scanned from both ends: a pattern would begin anew at every blank of a long run. */
export function strip(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && IS_SPACE.test(text.charAt(start))) start += 1;
  while (end > start && IS_SPACE.test(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
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

/** Digits that are no decimals: superscripts, circled ones and others. */
const OTHER_DIGITS =
  '\\xb2\\xb3\\xb9\\u1369-\\u1371\\u19da\\u2070\\u2074-\\u2079\\u2080-\\u2089\\u2460-\\u2468\\u2474-\\u247c\\u2488-\\u2490' +
  '\\u24ea\\u24f5-\\u24fd\\u24ff\\u2776-\\u277e\\u2780-\\u2788\\u278a-\\u2792\\u{10a40}-\\u{10a43}\\u{10e60}-\\u{10e68}' +
  '\\u{11052}-\\u{1105a}\\u{1f100}-\\u{1f10a}';
const ALL_DIGITS = new RegExp(`^[\\p{Nd}${OTHER_DIGITS}]+$`, 'u');

/** str.isdigit() */
export function isDigits(text: string): boolean {
  return ALL_DIGITS.test(text);
}

/** float() of a number that \d has found: digits of every script, full-width ones too. NaN for anything else. */
export function numberOf(text: string): number {
  const ascii = text.replace(/(?![0-9])\p{Nd}/gu, (digit) => String(valueOfDigit(digit.codePointAt(0) ?? 0)));
  return Number(ascii);
}

/** Decimals stand in runs of ten, 0 first, one run behind another at most. */
function valueOfDigit(code: number): number {
  let start = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start -= 1;
  return (code - start) % 10;
}
