/** What AGIEval's graders read in an output, by kind of sub-set and by setting. */
import { lastBoxed } from '../../graders/hendrycks-math.js';
import { letterBehind, lettersIn } from '../../graders/option-letters.js';
import { strip } from '../../graders/python-text.js';

export interface Setting {
  readonly isFewShot: boolean;
  readonly isCot: boolean;
}

export type Language = 'en' | 'zh';

/** Of a question with one right option. '' for none. */
export function extractOne(output: string, { isFewShot, isCot }: Setting, language: Language): string {
  if (isFewShot) {
    const looked = isCot ? lastLine(output) : output;
    const letter = letterBehind(language === 'en' ? 'answer is ' : '答案是', looked, 'A-G');
    if (letter !== undefined) return letter;
  }
  return lettersIn(output, 'A-F')[0] ?? '';
}

/** Of a question with several. */
export function extractSeveral(output: string, { isFewShot, isCot }: Setting): string[] {
  return lettersIn(isFewShot && isCot ? lastLine(output) : output, 'A-F');
}

/** Of a question without options; null for none. */
export function extractCloze(output: string, { isFewShot, isCot }: Setting): string | null {
  if (isFewShot) return behindPhrases(isCot ? lastLine(output) : output);
  const text = behindPhrases(output);
  if (text.includes('\\boxed')) {
    const boxed = lastBoxed(text);
    return boxed === null ? null : afterEquals(boxed);
  }
  return inDollars(text) || bare(text);
}

/** The last line that is not blank; of blank lines alone the whole. */
function lastLine(text: string): string {
  return text.split('\n').findLast((line) => strip(line) !== '') ?? text;
}

const PHRASES = ['The answer is therefore', '答案是'];

/** A phrase that begins the text is taken away there, another behind its last place. */
function behindPhrases(output: string): string {
  return PHRASES.reduce((text, phrase) => {
    const at = text.startsWith(phrase) ? 0 : text.lastIndexOf(phrase);
    return at < 0 ? text : strip(text.slice(at + phrase.length));
  }, output);
}

/** Behind the last "=", blanks before it gone; the whole where there is none. */
function afterEquals(text: string): string {
  return text.includes('=') ? text.slice(text.lastIndexOf('=') + 1).replace(/^ +/, '') : text;
}

/** Between the first and the last $ of the last line that has two. */
function inDollars(text: string): string | undefined {
  const found = [...text.matchAll(/\$([^\n]*)\$/gu)].at(-1)?.[1];
  return found === undefined ? undefined : afterEquals(found);
}

function bare(text: string): string | null {
  if (!text.includes('=')) return text.match(/\$?\p{Nd}+(?:\.\p{Nd}+)?(?![\p{L}\p{N}_])/gu)?.at(-1) ?? null;
  const [value = ''] = afterEquals(text).replace(/\.+$/, '').split('\\n');
  return value;
}
