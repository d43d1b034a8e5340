/**
 * The option that a free answer names, as C-Eval's own code finds it: the letter that begins the text, else phrases tried in
 * their order; of the first that occurs its last place counts.
 */
import { PYTHON_SPACE as SPACE, strip } from './python-text.js';

/** @returns a letter of A to D, or '' for none */
export function cevalChoice(output: string): string {
  const text = strip(output);
  const first = text.charAt(0);
  if (/^[A-D]$/.test(first)) return first;
  for (const phrase of PHRASES) {
    const letter = [...text.matchAll(phrase)].at(-1)?.[1];
    if (letter !== undefined) return letter;
  }
  return '';
}

/** Between a phrase and its letter the word for option may stand. */
const OPTION = `${SPACE}?选?项?${SPACE}?`;

const PHRASES: readonly RegExp[] = [
  '^选',
  '^选项',
  ...['答案是', '答案为', '答案应为', '答案选', '答案是:', '答案应该是:'].map((phrase) => phrase + OPTION),
  `正确的一项是${SPACE}?`,
  ...['答案为:', '答案应为:', '答案:'].map((phrase) => phrase + OPTION),
  ...['答案是：', '答案应该是：', '答案为：', '答案应为：', '答案：'].map((phrase) => phrase + OPTION),
].map((phrase) => new RegExp(`${phrase}([A-D])`, 'gu'));
