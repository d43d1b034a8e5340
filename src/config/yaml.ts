/** YAML parsing with line and column in every error, and limits against hostile documents. */
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  Parser,
  type ScalarTag,
  type Tags,
  visit,
  type YAMLMap,
} from 'yaml';
import { findLoneSurrogate, InputError, loneSurrogateProblem, messageOf } from '../errors/index.js';
import { yaml11Tags } from './yaml-1.1.js';

/** A file nests deeper than this by accident or with ill intent only. */
const MAX_DEPTH = 200;

/**
 * The plain value of a text with one YAML 1.2 document (core schema: yes/no/on/off stay texts, 1.0e-05 and 3e-4
 * are numbers; merge keys `<<` work); undefined if it has no content.
 * @param language names the language of the text in messages.
 * @throws InputError `<source>:<line>:<column>: …` for faulty text, duplicate keys, unknown tags, several
 *   documents, aliases that contain themselves or blow the value up.
 */
export function parseYaml(text: string, source: string, language: 'YAML' | 'JSON' = 'YAML'): unknown {
  return parseDocument(text, source, language);
}

/** A value with sentences on what its writer may not have meant. */
export interface NotedValue {
  readonly value: unknown;
  readonly notes: readonly string[];
}

/**
 * The value as PyYAML reads it: yes, no, on and off are booleans, 10_000 and 0123 numbers; of a key that stands twice the last
 * counts, and a note says so.
 * @throws InputError as parseYaml
 */
export function parseYaml11(text: string, source: string): NotedValue {
  const notes: string[] = [];
  return { value: parseDocument(text, source, 'YAML', notes), notes };
}

/** A value that knows the lines of its keys. */
export interface LocatedValue extends NotedValue {
  /** Counted from 1, of the key or item at a path, or of the nearest above it that stands in the text. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

/** A text with a tag of its own, such as `!function module.name`. */
export class TaggedText {
  readonly tag: string;
  readonly text: string;

  constructor(tag: string, text: string) {
    this.tag = tag;
    this.text = text;
  }
}

/**
 * The value with the lines of its keys.
 * @param tags texts with one of these become a TaggedText; other unknown tags are faults
 * @throws InputError as parseYaml, or as parseYaml11
 */
export function parseLocatedYaml(
  text: string,
  source: string,
  {
    version = '1.2',
    tags = [],
  }: { readonly version?: '1.1' | '1.2'; readonly tags?: readonly string[] } = {},
): LocatedValue {
  const notes: string[] = [];
  const lines = new LineCounter();
  let document: Document.Parsed | undefined;
  const value = parseDocument(text, source, 'YAML', version === '1.1' ? notes : undefined, {
    tags,
    lines,
    onDocument: (parsed) => {
      document = parsed;
    },
  });
  return { value, notes, lineOf: (path) => lineOf(document, lines, path) };
}

function lineOf(
  document: Document.Parsed | undefined,
  lines: LineCounter,
  path: readonly PropertyKey[],
): number {
  let node: unknown = document?.contents;
  let line = 1;
  for (const step of path) {
    if (isAlias(node)) node = document === undefined ? undefined : node.resolve(document);
    let offset: number | undefined;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      offset = isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
      node = pair?.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = isNode(node) ? node.range?.[0] : undefined;
    } else return line;
    if (offset !== undefined) ({ line } = lines.linePos(offset));
  }
  return line;
}

interface ParseMore {
  readonly tags?: readonly string[];
  readonly lines?: LineCounter;
  readonly onDocument?: (document: Document.Parsed) => void;
}

/** @param notes of YAML 1.1; undefined: YAML 1.2, where a key that stands twice is a fault */
function parseDocument(
  text: string,
  source: string,
  language: 'YAML' | 'JSON',
  notes?: string[],
  { tags = [], lines = new LineCounter(), onDocument }: ParseMore = {},
): unknown {
  const fault = (offset: number, problem: string): InputError => {
    const { line, col } = lines.linePos(offset);
    return new InputError(`${source}:${line}:${col}: not valid ${language}: ${asSentence(problem)}`);
  };

  // The parser keeps its own stack, the composer recurses: so depth is checked between the two.
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const tooDeep = findTooDeep(tokens);
  if (tooDeep !== undefined) throw fault(tooDeep.offset, `nested deeper than ${MAX_DEPTH}`);

  const options = {
    version: '1.2',
    schema: 'core',
    merge: true,
    resolveKnownTags: false,
    customTags: (core: Tags) => [
      ...(notes === undefined ? [] : yaml11Tags),
      ...core,
      ...tags.map((tag): ScalarTag => ({ tag, resolve: (value) => new TaggedText(tag, value) })),
    ],
  } as const;
  // Its own check of unique keys is quadratic (8 s for 20 000 keys); checkNodes does it.
  const composer = new Composer({ ...options, uniqueKeys: false, logLevel: 'silent' });
  const [document, second] = [...composer.compose(tokens, true, text.length)];
  if (document === undefined) return undefined;
  const error = document.errors[0] ?? document.warnings[0];
  if (error !== undefined) throw fault(error.pos[0], error.message);
  if (second !== undefined) throw fault(second.range[0], 'a second document begins here; use one');
  onDocument?.(document);
  if (document.contents === null) return undefined;
  const onTwice = (offset: number, name: string): void => {
    const problem = `the key ${JSON.stringify(name)} stands twice in one mapping`;
    if (notes === undefined) throw fault(offset, problem);
    notes.push(`line ${lines.linePos(offset).line}: ${problem}; this one counts, as PyYAML reads it.`);
  };
  checkNodes(document, fault, onTwice);
  try {
    const value: unknown = document.toJS();
    const lone = findLoneSurrogate(value, text);
    if (lone !== undefined) throw new InputError(`${source}: ${loneSurrogateProblem(lone)}; mend the text.`);
    return value;
  } catch (reason) {
    if (reason instanceof InputError) throw reason;
    throw fault(0, messageOf(reason)); // An alias without anchor, or more than 100 of them multiplied.
  }
}

function findTooDeep(tokens: readonly CST.Token[]): CST.Token | undefined {
  const open = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    if (depth > MAX_DEPTH) return token;
    for (const child of childTokens(token)) open.push({ token: child, depth: depth + 1 });
  }
  return undefined;
}

function childTokens(token: CST.Token): CST.Token[] {
  if (token.type === 'document') return token.value ? [token.value] : [];
  if (!('items' in token)) return [];
  return token.items.flatMap(({ key, value }) => [key, value]).filter((child) => child != null);
}

type Fault = (offset: number, problem: string) => InputError;
type OnTwice = (offset: number, name: string) => void;

/** Refuses what toJS would pass over in silence or turn into a value without end. */
function checkNodes(document: Document.Parsed, fault: Fault, onTwice: OnTwice): void {
  visit(document, {
    Map: (_, map) => checkKeys(map, fault, onTwice),
    Alias: (_, alias, path) => {
      const anchored = alias.resolve(document);
      if (anchored !== undefined && path.includes(anchored)) {
        throw fault(alias.range?.[0] ?? 0, `*${alias.source} contains itself`);
      }
    },
  });
}

function checkKeys(map: YAMLMap, fault: Fault, onTwice: OnTwice): void {
  const keys = new Set<string>();
  for (const { key } of map.items) {
    if (!isScalar(key)) throw fault(map.range?.[0] ?? 0, 'a key must be a plain text');
    const name = String(key.value);
    if (keys.has(name) && name !== '<<') onTwice(key.range?.[0] ?? 0, name);
    keys.add(name);
  }
}

function asSentence(message: string): string {
  const [first = ''] = message.split('\n');
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
