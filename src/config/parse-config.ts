/** Checks plain values against a zod schema and explains every problem by key, expectation and value. */
import type { z } from 'zod';
import { InputError } from '../errors/index.js';
import { didYouMeanHint } from './did-you-mean.js';
import { knownKeysAt } from './schema-keys.js';

type Issue = z.core.$ZodIssue;

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/**
 * Checks a plain value against a schema; objects should be z.strictObject, so that a misspelt key is an error.
 * @param source names the value in messages: the file, or "--set".
 * @param placeOf file and line of a key, which the message then names in place of the source
 * @param hintFor what to say of an unknown key that is no misspelling but a name from elsewhere; default: nothing
 * @returns the schema's output, defaults filled in.
 * @throws InputError with one line per problem: `<source>: <key.path>: expected …, got <value>`.
 */
export function parseConfig<S extends z.ZodType>(
  schema: S,
  value: unknown,
  {
    source,
    hintFor,
    placeOf,
  }: { readonly source: string; readonly hintFor?: KeyHint; readonly placeOf?: PlaceOf },
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) =>
    explain(issue, [], { schema, root: value, hintFor }),
  );
  const lines = problems.map(
    ({ path, text }) =>
      `${placeOf?.(path) ?? source}: ${path.length > 0 ? `${formatPath(path)}: ` : ''}${text}`,
  );
  throw new InputError([...new Set(lines)].join('\n'));
}

type PlaceOf = (path: readonly PropertyKey[]) => string;

/** A few words for a key that is known by another name, such as "here it is `x.y`". */
type KeyHint = (key: string) => string | undefined;

/** What is checked against what. */
interface Subject {
  readonly schema: z.ZodType;
  readonly root: unknown;
  readonly hintFor: KeyHint | undefined;
}

function explain(issue: Issue, base: readonly PropertyKey[], subject: Subject): Problem[] {
  const { schema, root, hintFor } = subject;
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeysAt(schema, path);
    return issue.keys.map((key) => ({ path: [...path, key], text: unknownKey(key, known, hintFor) }));
  }
  if (issue.code === 'custom' || hasOwnText(issue))
    return [{ path, text: `${issue.message}${gotByRule(root, path)}` }];
  if (issue.code === 'invalid_union' && issue.errors.length > 0)
    return explainUnion(issue.errors, path, subject);
  const expected = expectation(issue);
  const isMissing = valueAt(root, path) === undefined;
  return [
    { path, text: isMissing ? `missing; expected ${expected}` : `expected ${expected}${got(root, path)}` },
  ];
}

function unknownKey(key: string, known: readonly string[], hintFor: KeyHint | undefined): string {
  const other = hintFor?.(key);
  if (other !== undefined) return `unknown key; ${other}.`;
  const hint = didYouMeanHint(key, known);
  if (hint !== '') return `unknown key.${hint}`;
  const list = known.length > 0 && known.length <= 12 ? ` Known keys: ${known.join(', ')}.` : '';
  return `unknown key; remove it.${list}`;
}

/**
 * Members that refuse the value as a whole are alternatives ("number or text"); if some accept its kind and
 * complain about its inside only, the one with the fewest complaints is what was meant.
 */
function explainUnion(
  members: readonly (readonly Issue[])[],
  path: readonly PropertyKey[],
  subject: Subject,
): Problem[] {
  const { root } = subject;
  const meant = members
    .filter((issues) => !issues.some(refusesWhole))
    .toSorted((a, b) => a.length - b.length)
    .at(0);
  if (meant !== undefined) return meant.flatMap((issue) => explain(issue, path, subject));
  const refusals = members.flatMap((issues) => issues.filter(refusesWhole));
  const own = refusals.filter(hasOwnText).map(({ message }) => message);
  if (own.length > 0) return [{ path, text: `${[...new Set(own)].join('; or ')}${gotByRule(root, path)}` }];
  const alternatives = refusals.map(expectation);
  const isMissing = valueAt(root, path) === undefined;
  const expected = [...new Set(alternatives)].join(' or ');
  return [
    { path, text: isMissing ? `missing; expected ${expected}` : `expected ${expected}${got(root, path)}` },
  ];
}

/** Did the schema's author say what is wrong? zod's own texts all begin with one of these words. */
function hasOwnText({ message }: Issue): boolean {
  return !/^(Invalid|Too big|Too small|Unrecognized) ?/.test(message);
}

function refusesWhole(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_union') return issue.errors.every((issues) => issues.some(refusesWhole));
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

/** What would have been right, as the object of "expected". */
function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_NAMES.get(issue.expected) ?? issue.expected;
    case 'invalid_value':
      return alternativesOf(issue.values);
    case 'too_small':
      return `${sizeOf(issue.origin)}${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `${sizeOf(issue.origin)}${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}${unitOf(issue.origin)}`;
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return issue.pattern === undefined
        ? `a text in ${issue.format} format`
        : `a text that matches ${issue.pattern}`;
    case 'invalid_union':
      if (issue.errors.length > 0) {
        return [...new Set(issue.errors.flatMap((issues) => issues.map(expectation)))].join(' or ');
      }
      return issue.inclusive === false ? 'one alternative only' : alternativesOf(issue.options ?? []);
    case 'invalid_key':
      return `a valid key (${issue.issues.map(expectation).join(', ')})`;
    default:
      return issue.message;
  }
}

function alternativesOf(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value) ?? String(value));
  return texts.length === 1 ? texts.join() : `one of ${texts.join(', ')}`;
}

const TYPE_NAMES = new Map<string, string>([
  ['string', 'a text'],
  ['number', 'a number'],
  ['int', 'an integer'],
  ['boolean', 'true or false'],
  ['object', 'a mapping'],
  ['record', 'a mapping'],
  ['array', 'a list'],
  ['tuple', 'a list'],
  ['null', 'null'],
]);

function sizeOf(origin: string): string {
  return origin === 'array' || origin === 'string' ? 'a length of ' : '';
}

function unitOf(origin: string): string {
  return origin === 'array' ? ' items' : origin === 'string' ? ' characters' : '';
}

function got(root: unknown, path: readonly PropertyKey[], before = ', got ', after = ''): string {
  const value = valueAt(root, path);
  if (value === undefined) return '';
  return `${before}${showValue(value)}${after}`;
}

/** Of a rule about keys of one mapping that the message names, the mapping itself tells nothing. */
function gotByRule(root: unknown, path: readonly PropertyKey[]): string {
  const value = valueAt(root, path);
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isMapping ? '' : got(root, path, ' (got ', ')');
}

function showValue(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null
        ? Object.getOwnPropertyDescriptor(value, key)?.value
        : undefined,
    root,
  );
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.map(String).join('.');
}
