/**
 * The answer to a MATH problem in Minerva's form (Lewkowycz et al. 2022): behind a fixed sentence, its units and marks taken
 * away. What the original then decides by computer algebra is decided here by equal texts: a lower bound.
 */
import { strip } from './python-text.js';

const NO_ANSWER = '[invalidanswer]';
const ENDING = 'I hope it is correct.';

/** Behind the first "Final Answer: The final answer is", up to the sentence that ends it, which may be lacking. */
export function minervaAnswer(output: string): string {
  // As in the original, the dot in front of the last sentence stands for any character but a newline.
  const found = /Final Answer: The final answer is([^\n]*?)[^\n] I hope it is correct[^\n]/u.exec(
    output + ENDING,
  );
  return found === null ? NO_ANSWER : strip(found[1] ?? '');
}

export function isSameMinervaText(given: string, expected: string): boolean {
  return normalizeMinerva(given) === normalizeMinerva(expected);
}

const REPLACED: readonly (readonly [string, string])[] = [
  ['an ', ''],
  ['a ', ''],
  ['.$', '$'],
  ['\\$', ''],
  ['\\ ', ''],
  [' ', ''],
  ['mbox', 'text'],
  [',\\text{and}', ','],
  ['\\text{and}', ','],
  ['\\text{m}', '\\text{}'],
];

/** Taken away wherever they stand, inside words too, in this order. */
const TAKEN_AWAY: readonly string[] = [
  ...'square ways integers dollars mph inches ft hours km units \\ldots sue points feet minutes digits cents degrees cm gm'.split(
    ' ',
  ),
  ...'pounds meters meals edges students childrentickets multiples \\text{s} \\text{.}'.split(' '),
  '\\text{\ns}',
  '\\text{}^2',
  '\\text{}^3',
  '\\text{\n}',
  '\\text{}',
  ...'\\mathrm{th} ^\\circ ^{\\circ} \\; ,\\! {,} " \\dots'.split(' '),
];

export function normalizeMinerva(answer: string): string {
  let text = answer.slice(answer.lastIndexOf('=') + 1);
  for (const [from, to] of REPLACED) text = text.split(from).join(to);
  for (const mark of TAKEN_AWAY) text = text.split(mark).join('');
  text = text
    .replace(/[^\n]*?\$([^\n]*?)\$[^\n]*/gu, '$$$1$$')
    .replace(/\\text\{([^\n]*?)\}/gu, '$1')
    .replace(/\\textbf\{([^\n]*?)\}/gu, '$1')
    .replace(/\\overline\{([^\n]*?)\}/gu, '$1')
    .replace(/\\boxed\{([^\n]*)\}/gu, '$1')
    .replace(/frac([^{])([^\n])/gu, 'frac{$1}{$2}')
    .replace(/sqrt([^{])/gu, 'sqrt{$1}')
    .replaceAll('$', '');
  // A group of thousands, and nothing else.
  return /^\p{Nd}+$/u.test(text.replaceAll(',', '')) ? text.replaceAll(',', '') : text;
}
