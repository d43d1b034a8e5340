/**
 * The answer to a MATH problem in Minerva's form (Lewkowycz et al. 2022): behind a fixed sentence, its units and marks taken
 * away. What the original then decides by computer algebra (sympy) is decided here by the values of both formulas.
 */
import { isSameFormula } from './algebra/same-formula.js';
import { isDigits, strip } from './python-text.js';

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

/** As texts, else as formulas; undefined where the texts differ and one of them is no formula that we can read. */
export function isSameMinervaValue(given: string, expected: string): boolean | undefined {
  const [a, b] = [normalizeMinerva(given), normalizeMinerva(expected)];
  return a === b || isSameFormula(a, b);
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
    .split('\n')
    .map((line) =>
      withoutBox(['\\text{', '\\textbf{', '\\overline{'].reduce(unwrapped, firstInDollars(line))),
    )
    .join('\n')
    .replace(/frac([^{])([^\n])/gu, 'frac{$1}{$2}')
    .replace(/sqrt([^{])/gu, 'sqrt{$1}')
    .replaceAll('$', '');
  // A group of thousands, and nothing else.
  const joined = text.replaceAll(',', '');
  return isDigits(joined) ? joined : text;
}

/** Of a line with two dollars what stands between the first two. */
function firstInDollars(line: string): string {
  const [, inner, end] = line.split('$', 3);
  return inner === undefined || end === undefined ? line : `$${inner}$`;
}

/** The shortest inside of each such command. */
function unwrapped(line: string, command: string): string {
  let [text, from] = ['', 0];
  for (;;) {
    const start = line.indexOf(command, from);
    const end = start < 0 ? -1 : line.indexOf('}', start + command.length);
    if (end < 0) return text + line.slice(from);
    text += line.slice(from, start) + line.slice(start + command.length, end);
    from = end + 1;
  }
}

/** The longest inside of the first box. */
function withoutBox(line: string): string {
  const command = '\\boxed{';
  const [start, end] = [line.indexOf(command), line.lastIndexOf('}')];
  if (start < 0 || end < start + command.length) return line;
  return line.slice(0, start) + line.slice(start + command.length, end) + line.slice(end + 1);
}
