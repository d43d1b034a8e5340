/**
 * The part of shell syntax that published launch scripts use: words, quotes, variables, continued lines. Nothing is
 * run.
 */
import { InputError } from '../../errors/index.js';

export interface ShellScript {
  readonly commands: readonly (readonly string[])[];
  /** As they stand at the end. */
  readonly variables: ReadonlyMap<string, string>;
}

/** Scripts are written by hand. */
const MAX_CHARACTERS = 1 << 20;
const NAME = /^[A-Za-z_]\w*/;

/**
 * The simple commands of a script, their variables filled in. What stands between if and fi is left out: published scripts give
 * defaults there. A variable that has no value stays as it is written (`$1`).
 * @throws InputError naming source and line, for a quote that does not end
 */
export function parseShell(text: string, source: string): ShellScript {
  if (text.length > MAX_CHARACTERS)
    throw new InputError(`${source} has ${text.length} characters; a script may have ${MAX_CHARACTERS}.`);
  const variables = new Map<string, string>();
  const commands: string[][] = [];
  let depth = 0;
  for (const words of rawCommands(text, source)) {
    const [first] = words;
    if (first?.text === 'if') depth += 1;
    else if (first?.text === 'fi') depth = Math.max(0, depth - 1);
    else if (depth === 0) readCommand(words, variables, commands);
  }
  return { commands, variables };
}

interface Word {
  readonly text: string;
  /** In single quotes: variables stay. */
  readonly isLiteral: boolean;
}

function readCommand(words: readonly Word[], variables: Map<string, string>, commands: string[][]): void {
  const filled = words.map(({ text, isLiteral }) => (isLiteral ? text : expand(text, variables)));
  const rest = filled[0] === 'export' ? filled.slice(1) : filled;
  const isAssignment = (word: string): boolean => /^[A-Za-z_]\w*=/.test(word);
  if (rest.every(isAssignment)) {
    for (const word of rest) {
      const equals = word.indexOf('=');
      variables.set(word.slice(0, equals), word.slice(equals + 1));
    }
    return;
  }
  commands.push(rest);
}

function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, plain?: string, braced?: string) => {
    const name = plain ?? braced ?? '';
    return NAME.test(name) ? (variables.get(name) ?? whole) : whole;
  });
}

/** Words up to the next end of a command; redirections and what follows a pipe are dropped. */
function rawCommands(text: string, source: string): Word[][] {
  const commands: Word[][] = [];
  let words: Word[] = [];
  let word: { text: string; isLiteral: boolean } | undefined;
  let isPiped = false;
  const endWord = (): void => {
    if (word !== undefined && !isPiped) words.push(word);
    word = undefined;
  };
  const endCommand = (): void => {
    endWord();
    if (words.length > 0) commands.push(words);
    words = [];
  };
  const add = (part: string, isLiteral = false): void => {
    word = { text: (word?.text ?? '') + part, isLiteral: isLiteral || (word?.isLiteral ?? false) };
  };
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    const next = text.charAt(at + 1);
    if (character === '\\') {
      // A line that goes on, with either line end; before anything else the character itself.
      if (next === '\r' && text.charAt(at + 2) === '\n') at += 2;
      else if (next === '\n' || next === '') at += 1;
      else {
        add(next);
        at += 1;
      }
    } else if (character === "'" || character === '"') {
      const end = text.indexOf(character, at + 1);
      if (end < 0) {
        const line = text.slice(0, at).split('\n').length;
        throw new InputError(`${source}:${line}: the quote ${character} does not end.`);
      }
      add(text.slice(at + 1, end), character === "'");
      at = end;
    } else if (character === '#' && word === undefined) {
      const end = text.indexOf('\n', at);
      at = (end < 0 ? text.length : end) - 1;
    } else if (character === '\n' || character === ';' || character === '&') {
      // 2>&1 is a redirection, not the end of a command.
      if (character === '&' && word?.text.endsWith('>') === true) {
        add(character);
        continue;
      }
      endCommand();
      isPiped = false;
    } else if (character === '|') {
      endWord();
      isPiped = true;
    } else if (/\s/.test(character)) endWord();
    else add(character);
  }
  endCommand();
  return commands.map((command) => command.filter(({ text: shown }) => !/^\d?>/.test(shown)));
}
