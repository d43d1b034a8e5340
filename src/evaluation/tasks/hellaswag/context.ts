/** HellaSwag's texts as lm-evaluation-harness shows them. */
import { strip } from '../../graders/python-text.js';

/** Marks of the web pages that the texts come from go. */
export function cleaned(text: string): string {
  return strip(text)
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/gu, '')
    .replaceAll('  ', ' ');
}

/** Python's str.capitalize(): the first character in title case. */
export function capitalized(text: string): string {
  const [first = ''] = text;
  const [upper = '', ...more] = TITLES[first] ?? first.toUpperCase();
  // A final sigma is known by what stands before it, the first character too.
  const lower = text.toLowerCase().slice(first.toLowerCase().length);
  return `${upper}${more.join('').toLowerCase()}${lower}`;
}

/** Letters whose form in titles is another than that in capitals. */
const TITLES: Readonly<Record<string, string>> = Object.fromEntries(
  ['ǅǄǆ', 'ǈǇǉ', 'ǋǊǌ', 'ǲǱǳ'].flatMap(([title = '', ...others]) =>
    [title, ...others].map((letter) => [letter, title]),
  ),
);
