/**
 * The part of shell syntax that published launch scripts use: words, quotes, variables, continued lines. Nothing is
 * run.
 */
import { InputError } from '../../errors/index.js';
import { type RawCommand, tokenizeShell, type WordPart } from './shell-tokens.js';

export interface ShellCommand {
  readonly words: readonly string[];
  /** Variables as they stand for it, those set in its own line too. */
  readonly variables: ReadonlyMap<string, string>;
  readonly line: number;
  /** A comment cut it off from the command before, though that one's line was to go on. */
  readonly isCutOff: boolean;
}

/** Scripts are written by hand. */
const MAX_CHARACTERS = 1 << 20;
const ASSIGNMENT = /^[A-Za-z_]\w*=/;
const VARIABLE = /\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?)-([^{}]*))?\})/g;

/**
 * The simple commands of a script, their variables filled in. What stands between if and fi is left out: published scripts give
 * defaults there. A variable that has no value stays as it is written (`$1`), unless its default stands beside it (`${N:-8}`).
 * @throws InputError naming source and line, for a quote that does not end
 */
export function parseShell(text: string, source: string): ShellCommand[] {
  if (text.length > MAX_CHARACTERS)
    throw new InputError(`${source} has ${text.length} characters; a script may have ${MAX_CHARACTERS}.`);
  const variables = new Map<string, string>();
  const commands: ShellCommand[] = [];
  let depth = 0;
  for (const raw of tokenizeShell(text, source)) {
    const first = raw.words[0]?.map((part) => part.text).join('');
    if (first === 'if') depth += 1;
    else if (first === 'fi') depth = Math.max(0, depth - 1);
    else if (depth === 0) readCommand(raw, variables, commands);
  }
  return commands;
}

function readCommand(raw: RawCommand, variables: Map<string, string>, commands: ShellCommand[]): void {
  const words = raw.words.flatMap((word) => filledWords(word, variables));
  const rest = words[0] === 'export' || words[0] === 'env' ? words.slice(1) : words;
  if (words[0] === 'unset') {
    for (const name of rest.slice(1)) variables.delete(name);
    return;
  }
  const program = rest.findIndex((word) => !ASSIGNMENT.test(word));
  const assignments = program < 0 ? rest : rest.slice(0, program);
  // Before a program they count for it alone.
  const scope = program < 0 ? variables : new Map(variables);
  for (const word of assignments) {
    const equals = word.indexOf('=');
    scope.set(word.slice(0, equals), word.slice(equals + 1));
  }
  if (program >= 0)
    commands.push({
      words: rest.slice(program),
      variables: new Map(scope),
      line: raw.line,
      isCutOff: raw.isCutOff,
    });
}

/** One word with its variables filled in; those outside quotes part at blanks, and are no word if empty. */
function filledWords(parts: readonly WordPart[], variables: ReadonlyMap<string, string>): string[] {
  const isAssigned = parts[0]?.quote === 'none' && ASSIGNMENT.test(parts[0].text);
  const words: string[] = [];
  let word: string | undefined;
  for (const { text, quote } of parts) {
    if (quote === 'single') word = (word ?? '') + text;
    else if (quote === 'double' || isAssigned) word = (word ?? '') + expand(text, variables);
    else {
      // Blanks cannot stand in the text itself: they come from variables, or from a command in brackets.
      const filled = text.startsWith('$(') ? [text] : expand(text, variables).split(/(\s+)/);
      for (const piece of filled) {
        if (piece === '') continue;
        if (!/^\s+$/.test(piece)) word = (word ?? '') + piece;
        else if (word !== undefined) {
          words.push(word);
          word = undefined;
        }
      }
    }
  }
  return word === undefined ? words : [...words, word];
}

function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(
    VARIABLE,
    (whole, plain?: string, braced?: string, colon?: string, fallback?: string) => {
      const value = variables.get(plain ?? braced ?? '');
      if (value === undefined || (value === '' && colon === ':')) return fallback ?? value ?? whole;
      return value;
    },
  );
}
