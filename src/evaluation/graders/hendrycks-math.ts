/**
 * The grader of the MATH set (Hendrycks et al. 2021): the inside of the last box, both sides brought to one spelling, compared
 * as texts. It is far from knowing what is equal; the steps and their order are the rule, and so are its blind spots.
 */

/** A spelling that the rule cannot take apart: the texts are compared as they are. */
class UnreadableSpelling extends Error {}

/** Inside of the last \boxed{…}; null without one, for unbalanced braces and for \fbox, which is found but not unwrapped. */
export function lastBoxed(text: string): string | null {
  let start = text.lastIndexOf('\\boxed');
  if (start < 0) start = text.lastIndexOf('\\fbox');
  if (start < 0) return null;
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') depth += 1;
    if (text[at] !== '}') continue;
    depth -= 1;
    if (depth !== 0) continue;
    const box = text.slice(start, at + 1);
    return box.startsWith('\\boxed{') ? box.slice('\\boxed{'.length, -1) : null;
  }
  return null;
}

/** Whether two answers are one; nothing equals nothing. */
export function isEquivalentMath(given: string | null, expected: string | null): boolean {
  if (given === null || expected === null) return given === expected;
  try {
    return normalizeMath(given) === normalizeMath(expected);
  } catch (error) {
    if (error instanceof UnreadableSpelling) return given === expected;
    throw error;
  }
}

/** One spelling for answers that mean the same. @throws an error for spellings that the rule gives up on */
export function normalizeMath(answer: string): string {
  let text = answer.replaceAll('\n', '').replaceAll('\\!', '').replaceAll('\\\\', '\\');
  text = text.replaceAll('tfrac', 'frac').replaceAll('dfrac', 'frac');
  text = text.replaceAll('\\left', '').replaceAll('\\right', '');
  text = text.replaceAll('^{\\circ}', '').replaceAll('^\\circ', '').replaceAll('\\$', '');
  text = withoutUnit(text).replaceAll('\\%', '');
  text = text.replaceAll(' .', ' 0.').replaceAll('{.', '{0.');
  if (text === '') return text;
  if (text.startsWith('.')) text = `0${text}`;
  text = withoutName(text);
  text = bracedRoots(text).replaceAll(' ', '');
  text = bracedFractions(text);
  if (text === '0.5') text = '\\frac{1}{2}';
  return slashAsFraction(text);
}

/** `10\text{ cm}` -> `10`. */
function withoutUnit(text: string): string {
  const parts = text.split('\\text{ ');
  const [number] = parts;
  if (parts.length === 1 || number === undefined) return text;
  if (parts.length > 2) throw new UnreadableSpelling();
  return number;
}

/** `k = 5` -> ` 5`, where the name has two characters at most. */
function withoutName(text: string): string {
  const [name = '', value, ...more] = text.split('=');
  return value !== undefined && more.length === 0 && Array.from(name).length <= 2 ? value : text;
}

/** `\sqrt3` -> `\sqrt{3}`. */
function bracedRoots(text: string): string {
  const [first = '', ...parts] = text.split('\\sqrt');
  return parts.reduce((done, part) => {
    const [head] = Array.from(part);
    if (head === undefined) throw new UnreadableSpelling();
    return `${done}\\sqrt${head === '{' ? part : `{${head}}${part.slice(head.length)}`}`;
  }, first);
}

/** `\frac12` -> `\frac{1}{2}`, `\frac1{72}` -> `\frac{1}{72}`. */
function bracedFractions(text: string): string {
  const [first = '', ...parts] = text.split('\\frac');
  let done = first;
  for (const part of parts) {
    const [upper, lower, ...rest] = Array.from(part);
    if (upper === undefined) throw new UnreadableSpelling();
    if (upper === '{') done += `\\frac${part}`;
    else if (lower === undefined) return text;
    else if (lower === '{') done += `\\frac{${upper}}{${rest.join('')}`;
    else done += `\\frac{${upper}}{${lower}}${rest.join('')}`;
  }
  return done;
}

/** `3/4` -> `\frac{3}{4}`, of plain integers alone. */
function slashAsFraction(text: string): string {
  const [upper, lower, ...more] = text.split('/');
  if (upper === undefined || lower === undefined || more.length > 0) return text;
  // Spelled as Python spells an integer, or it is left alone.
  const isPlain = (part: string): boolean => /^(0|-?[1-9][0-9]*)$/.test(part);
  return isPlain(upper) && isPlain(lower) ? `\\frac{${upper}}{${lower}}` : text;
}
