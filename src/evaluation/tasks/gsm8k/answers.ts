/** The number that an answer to GSM8K gives, by the graders of its authors and of two harnesses. */
import { numberOf } from '../../graders/python-text.js';

/** OpenAI's: behind the first "#### ", compared as text without its commas. Null for none. */
export function markedNumber(text: string): string | null {
  const number = /#### (-?[0-9.,]+)/u.exec(text)?.[1];
  return number === undefined ? null : number.replaceAll(',', '');
}

/** lm-evaluation-harness' strict-match: OpenAI's, and a dot that ends it is dropped. Null for none. */
export function strictNumber(text: string): string | null {
  const number = markedNumber(text);
  return number === null ? null : plain(number);
}

/** lm-evaluation-harness' flexible-extract: the last number of any form. */
export function lastFlexibleNumber(text: string): string | null {
  const found = text.match(/-?[$0-9.,]{2,}|-?[0-9]+/gu)?.at(-1);
  return found === undefined ? null : plain(found);
}

function plain(number: string): string {
  return number.replaceAll(',', '').replaceAll('$', '').replace(/\.$/, '');
}

/** OpenCompass': the last number before another question begins; a comma ends a number. Null for none. */
export function lastNumber(text: string): string | null {
  const [own = ''] = text.split('Question:');
  return own.match(/-?\p{Nd}+\.\p{Nd}+|-?\p{Nd}+/gu)?.at(-1) ?? null;
}

/** As text, or as numbers that differ by less than a millionth. */
export function isSameNumber(given: string | null, expected: string): boolean {
  if (given === null) return false;
  return (
    given === expected || (/^-?[0-9]+$/.test(expected) && Math.abs(numberOf(given) - Number(expected)) < 1e-6)
  );
}
