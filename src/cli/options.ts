/** Command-line options of one command: declared once, parsed, checked, and printed by --help. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../config/index.js';
import { InputError } from '../errors/index.js';

type OptionKind = 'string' | 'strings' | 'flag' | 'integer' | 'number';

export interface OptionSpec {
  readonly kind: OptionKind;
  readonly help: string;
  /** The word for the value in --help. */
  readonly value?: string;
  readonly required?: boolean;
  /** Values that are allowed. */
  readonly allowedValues?: readonly string[];
  /** Smallest allowed number. */
  readonly min?: number;
  /** A path to such things, which may also name a repository of the hub (hub-options.ts). */
  readonly place?: Place;
}

/** What lies at a path: decides which files of a repository are fetched, and which part of the cache is looked into. */
export type Place = 'model' | 'tokenizer' | 'data';

type ValueOf<Spec extends OptionSpec> = Spec['kind'] extends 'flag'
  ? boolean
  : Spec['kind'] extends 'strings'
    ? string[]
    : Spec['kind'] extends 'string'
      ? Spec extends { allowedValues: readonly (infer Choice)[] }
        ? Choice
        : string
      : number;

/** A required option, a flag and a list always have a value; the others may be undefined. */
export type OptionValues<Specs extends Record<string, OptionSpec>> = {
  [Name in keyof Specs]: Specs[Name] extends { required: true } | { kind: 'flag' | 'strings' }
    ? ValueOf<Specs[Name]>
    : ValueOf<Specs[Name]> | undefined;
};

export interface CommandHelp {
  /** "xinghe forward" */
  readonly command: string;
  readonly summary: string;
  /** Shown under the options. */
  readonly notes?: string;
}

export const EXIT_BAD_INPUT = 2;

/** What `--help` tells of a command. */
export interface HelpPage {
  readonly help: CommandHelp;
  readonly specs: Readonly<Record<string, OptionSpec>>;
}

/** Thrown after `--help`: the caller prints the page, or the text of a command of several, and ends with 0. */
export class HelpRequest extends Error {
  override readonly name = 'HelpRequest';
  /** undefined: the message is the text. */
  readonly page: HelpPage | undefined;

  constructor(text: string, page?: HelpPage) {
    super(text);
    this.page = page;
  }
}

/**
 * Parses `args` by `specs`.
 * @throws InputError for unknown, missing or malformed options; HelpRequest after --help
 */
export function parseOptions<const Specs extends Record<string, OptionSpec>>(
  help: CommandHelp,
  specs: Specs,
  args: readonly string[],
): OptionValues<Specs> {
  return parse(help, specs, args, undefined);
}

/** As parseOptions, of a command that takes words beside its options; behind `--` all are words. */
export function parseOptionsAndWords<const Specs extends Record<string, OptionSpec>>(
  help: CommandHelp,
  specs: Specs,
  args: readonly string[],
): { readonly options: OptionValues<Specs>; readonly words: readonly string[] } {
  const words: string[] = [];
  return { options: parse(help, specs, args, words), words };
}

/** @param words takes what belongs to no option; undefined: that is refused */
function parse<const Specs extends Record<string, OptionSpec>>(
  help: CommandHelp,
  specs: Specs,
  args: readonly string[],
  words: string[] | undefined,
): OptionValues<Specs> {
  const end = args.indexOf('--');
  const asked = end < 0 ? args : args.slice(0, end);
  if (asked.includes('--help') || asked.includes('-h')) throw new HelpRequest(help.summary, { help, specs });
  const raw = parseArgs({
    args: [...args],
    strict: false,
    allowNegative: false,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(specs).map(([name, { kind }]) => [
        name,
        { type: kind === 'flag' ? ('boolean' as const) : ('string' as const), multiple: kind === 'strings' },
      ]),
    ),
  });
  const fail = (problem: string): never => {
    throw new InputError(`${help.command}: ${problem} (see ${help.command} --help)`);
  };
  const values = new Map<string, string[]>();
  let list: string[] | undefined;
  for (const token of raw.tokens) {
    if (token.kind === 'option-terminator') {
      list = undefined;
      continue;
    }
    if (token.kind === 'positional') {
      // Further words behind a list option belong to it: --input a.txt b.txt.
      if (list !== undefined) list.push(token.value);
      else if (words !== undefined) words.push(token.value);
      else fail(`unexpected argument "${token.value}"`);
      continue;
    }
    const spec = specs[token.name];
    if (spec === undefined) {
      const meant = didYouMean(token.name, Object.keys(specs));
      return fail(
        `unknown option ${token.rawName}${meant === undefined ? '' : `; did you mean --${meant}?`}`,
      );
    }
    if (spec.kind === 'flag') {
      if (token.value !== undefined) fail(`${token.rawName} takes no value, got "${token.value}"`);
      values.set(token.name, []);
      list = undefined;
      continue;
    }
    // A number may begin with one dash.
    const isNextOption = token.inlineValue === false && token.value.startsWith('--');
    if (token.value === undefined || isNextOption) return fail(`${token.rawName} needs a value`);
    if (spec.kind !== 'strings' && values.has(token.name))
      fail(`${token.rawName} is given twice; give it once`);
    list = [...(values.get(token.name) ?? []), token.value];
    values.set(token.name, list);
    if (spec.kind !== 'strings') list = undefined;
  }
  const result: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries<OptionSpec>(specs)) {
    const given = values.get(name);
    if (given === undefined && spec.required === true) fail(`--${name} is required`);
    result[name] = readValue(name, spec, given, fail);
  }
  // Built key by key from the same specs that the type is computed from.
  return result as OptionValues<Specs>;
}

function readValue(
  name: string,
  { kind, allowedValues, min }: OptionSpec,
  given: string[] | undefined,
  fail: (problem: string) => never,
): boolean | string | string[] | number | undefined {
  if (kind === 'flag') return given !== undefined;
  if (kind === 'strings') return given ?? [];
  const text = given?.[0];
  if (text === undefined) return undefined;
  if (kind === 'string') {
    if (allowedValues !== undefined && !allowedValues.includes(text))
      fail(`--${name} is "${text}"; give one of ${allowedValues.join(', ')}`);
    return text;
  }
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(number) || (kind === 'integer' && !Number.isSafeInteger(number)))
    fail(`--${name} is "${text}"; give ${kind === 'integer' ? 'a whole number' : 'a number'}`);
  if (min !== undefined && number < min) fail(`--${name} is ${text}; give ${min} or more`);
  return number;
}
