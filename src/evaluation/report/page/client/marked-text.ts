/** Text of models and sets as it is: never markup, its invisible characters made visible, what was searched for marked. */
import { make } from './elements.js';

/** Controls but tab and line feed, marks that turn the direction of text, blanks without width, halves of surrogate pairs. */
const INVISIBLE =
  /(?![\t\n])[\p{Cs}\p{Cc}\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]/gu;

/** @param query in lower case; empty: nothing is marked */
export function appendText(parent: Element, text: string, query: string): void {
  if (query === '') {
    appendVisible(parent, text);
    return;
  }
  const lower = lowerCase(text);
  let from = 0;
  for (;;) {
    const found = lower.indexOf(query, from);
    if (found < 0) break;
    appendVisible(parent, text.slice(from, found));
    const mark = make('mark');
    appendVisible(mark, text.slice(found, found + query.length));
    parent.append(mark);
    from = found + query.length;
  }
  appendVisible(parent, text.slice(from));
}

/** As long as the text: places in one are places in the other. */
export function lowerCase(text: string): string {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function appendVisible(parent: Element, text: string): void {
  let from = 0;
  for (const found of text.matchAll(INVISIBLE)) {
    if (found.index > from) parent.append(text.slice(from, found.index));
    const code = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    parent.append(make('span', { className: 'control', text: `U+${code}` }));
    from = found.index + found[0].length;
  }
  if (from < text.length) parent.append(text.slice(from));
}
