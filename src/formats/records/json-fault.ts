/**
 * Where a JSON text breaks the grammar of RFC 8259, or names a key twice in one object. JSON.parse answers
 * neither: its messages often have no position, and of two equal keys it keeps the last without a word.
 */
export interface JsonFault {
  /** UTF-16 offset in the text. */
  readonly offset: number;
  /** What stands there, for a message: "expected ',' or '}', found ']'". */
  readonly problem: string;
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const LITERAL = /true|false|null/y;
/** Up to the first quote, backslash or control character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON strings may not hold them, so they end the run.
const STRING_RUN = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** The first fault, or undefined for a valid text without duplicate keys. Depth costs heap, not stack. */
export function findJsonFault(text: string): JsonFault | undefined {
  let at = 0;
  let fault: JsonFault | undefined;
  /** One entry per open bracket: the keys met so far, or null for an array. */
  const open: (Set<string> | null)[] = [];

  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    const moved = pattern.lastIndex > at;
    at = pattern.lastIndex;
    return moved;
  };
  const fail = (expected: string): false => {
    fault ??= { offset: at, problem: `expected ${expected}, found ${foundAt(text, at)}` };
    return false;
  };
  const skipString = (): boolean => {
    at += 1;
    for (;;) {
      skip(STRING_RUN);
      if (text[at] === '"') {
        at += 1;
        return true;
      }
      if (text[at] === '\\') {
        if (!skip(ESCAPE)) return fail('a valid escape');
      } else return fail(at < text.length ? 'an escaped control character' : 'a closing quote');
    }
  };
  const skipKey = (keys: Set<string>, expected: string): boolean => {
    if (text[at] !== '"') return fail(expected);
    const start = at;
    if (!skipString()) return false;
    const raw = text.slice(start + 1, at - 1);
    const key = raw.includes('\\') ? String(JSON.parse(text.slice(start, at))) : raw;
    if (keys.has(key)) {
      fault = { offset: start, problem: `the key ${JSON.stringify(key)} stands twice in one object` };
      return false;
    }
    keys.add(key);
    skip(SPACE);
    if (text[at] !== ':') return fail("':'");
    at += 1;
    return true;
  };
  /** Skips a scalar or an opening bracket with its first key; false at a fault. */
  const skipValue = (): 'closed' | 'opened' | false => {
    skip(SPACE);
    const character = text[at];
    if (character === '"') return skipString() && 'closed';
    if (character !== '{' && character !== '[') {
      return skip(NUMBER) || skip(LITERAL) ? 'closed' : fail('a value');
    }
    at += 1;
    skip(SPACE);
    if (text[at] === (character === '{' ? '}' : ']')) {
      at += 1;
      return 'closed';
    }
    const keys = character === '{' ? new Set<string>() : null;
    open.push(keys);
    return (keys === null || skipKey(keys, "a quoted key or '}'")) && 'opened';
  };
  /** After a value: closes brackets up to the next comma; false at the end of the text or a fault. */
  const skipToNextValue = (): boolean => {
    for (;;) {
      skip(SPACE);
      const keys = open.at(-1);
      if (keys === undefined) return at < text.length && fail('the end of the text');
      const closing = keys === null ? ']' : '}';
      if (text[at] === ',') {
        at += 1;
        skip(SPACE);
        return keys === null || skipKey(keys, 'a quoted key');
      }
      if (text[at] !== closing) return fail(`',' or '${closing}'`);
      at += 1;
      open.pop();
    }
  };

  for (;;) {
    const value = skipValue();
    if (value === false) return fault;
    if (value === 'closed' && !skipToNextValue()) return fault;
  }
}

function foundAt(text: string, offset: number): string {
  if (offset >= text.length) return 'the end of the text';
  const found = /^[\w.+-]+/.exec(text.slice(offset, offset + 40))?.[0];
  return JSON.stringify(found ?? String.fromCodePoint(text.codePointAt(offset) ?? 0));
}

/** "line:column", both from 1, columns in UTF-16 units. */
export function lineAndColumn(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}
