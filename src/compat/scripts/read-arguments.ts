/** `--name value`, `--name=value` and `--flag` as a mapping, so that the checks of configurations serve them too. */
import { InputError } from '../../errors/index.js';

const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i;

/**
 * @param known names of the program's arguments: as argparse has it, the beginning of one alone stands for it
 * @throws InputError for a word that belongs to no argument, for an argument given twice, and for the beginning of several
 */
export function readArguments(
  words: readonly string[],
  known: readonly string[],
  source: string,
): Record<string, unknown> {
  const values = new Map<string, unknown>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const [, name, value] = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined)
      throw new InputError(
        `${source}: "${word}" belongs to no argument; arguments are written --name value.`,
      );
    const key = wholeName(name.replaceAll('-', '_'), known, source);
    if (values.has(key)) throw new InputError(`${source}: --${name} is given twice.`);
    const next = words[at + 1];
    if (value !== undefined) values.set(key, plainValue(value));
    else if (next === undefined || isName(next)) values.set(key, true);
    else {
      values.set(key, plainValue(next));
      at += 1;
    }
  }
  return Object.fromEntries(values);
}

function wholeName(name: string, known: readonly string[], source: string): string {
  if (known.includes(name)) return name;
  const [whole, other] = known.filter((candidate) => candidate.startsWith(name));
  if (whole !== undefined && other !== undefined)
    throw new InputError(`${source}: --${name} could be --${whole} or --${other}; write one of them out.`);
  return whole ?? name;
}

function isName(word: string): boolean {
  return word.startsWith('-') && !NUMBER.test(word);
}

function plainValue(text: string): string | number | boolean {
  if (NUMBER.test(text)) return Number(text);
  if (/^true$/i.test(text)) return true;
  return /^false$/i.test(text) ? false : text;
}
