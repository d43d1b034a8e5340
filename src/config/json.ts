/** JSON parsing with line and column in every error. */
import { InputError, messageOf } from '../errors/index.js';

/** JSON.parse with the place of a fault: `<source>:<line>:<column>: …` in an InputError. */
export function parseStrictJson(text: string, source: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const problem = messageOf(error);
    const before = text.slice(0, faultOffset(text, problem)).split('\n');
    const location = `${source}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
    throw new InputError(`${location}: not valid JSON: ${problem.replace(/ in JSON.*$/s, '')}.`);
  }
}

function parse(text: string): unknown {
  return JSON.parse(text);
}

/**
 * V8 gives the position of some faults only. The others are unexpected tokens; as it reads from left to right,
 * the shortest prefix that fails with the same kind of message ends with the faulty character.
 */
function faultOffset(text: string, problem: string): number {
  const position = /at position (\d+)/.exec(problem)?.[1];
  if (position !== undefined) return Number(position);
  if (!isUnexpectedToken(problem)) return text.length;
  let good = 0;
  let bad = text.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isUnexpectedToken(problemOf(text.slice(0, middle)))) bad = middle;
    else good = middle;
  }
  return bad - 1;
}

function problemOf(text: string): string {
  try {
    parse(text);
    return '';
  } catch (error) {
    return messageOf(error);
  }
}

function isUnexpectedToken(problem: string): boolean {
  return problem.startsWith('Unexpected token');
}
