/** HellaSwag's texts as lm-evaluation-harness shows them. */
import { strip } from '../../graders/python-text.js';

/** Marks of the web pages that the texts come from go. */
export function cleaned(text: string): string {
  return strip(text)
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/gu, '')
    .replaceAll('  ', ' ');
}

/** Python's str.capitalize(). */
export function capitalized(text: string): string {
  const [first = '', ...rest] = Array.from(text);
  return `${first.toUpperCase()}${rest.join('').toLowerCase()}`;
}
