import { parseOrderedJson } from '../../json/index.js';

/**
 * The arguments of an answer's call as a value, for APIs that give them so. An answer that was cut within a call has no whole
 * JSON; its text is shown all the same.
 */
export function callInput(text: string): unknown {
  try {
    return parseOrderedJson(text === '' ? '{}' : text);
  } catch {
    return { unfinished: text };
  }
}
