/** Reads a table of attributes: JSON or YAML {"姓名|名字": "…"}, or CSV with a key and a value in each row. */
import { extname } from 'node:path';
import { readConfigFile } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { readRecords, showValue } from '../../formats/index.js';
import { kindOfName, plainName } from './attribute-kinds.js';
import { Persona, type PersonaAttribute, personaAttribute } from './persona.js';

/** @throws InputError for a table that is empty, an empty or doubled key, a value that is no text */
export async function readAttributes(path: string): Promise<Persona> {
  const ending = extname(path.replace(/\.gz$/i, '')).toLowerCase();
  const pairs =
    ending === '.csv' || ending === '.tsv' ? await csvPairs(path) : pairsOf(readConfigFile(path), path);
  return personaOf(pairs, path);
}

export interface AttributePair {
  readonly key: string;
  readonly value: unknown;
  /** For messages: file, and line where it is known. */
  readonly place: string;
}

/** @throws InputError as readAttributes */
export function pairsOf(value: unknown, source: string): AttributePair[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(
      `${source}: a table of attributes is {"姓名|名字": "星河", …}, found ${showValue(value)}.`,
    );
  return Object.entries(value).map(([key, own]: [string, unknown]) => ({ key, value: own, place: source }));
}

async function csvPairs(path: string): Promise<AttributePair[]> {
  const pairs: AttributePair[] = [];
  for await (const { line, value } of readRecords(path, { csvHeader: false })) {
    const place = `${path}:${line}`;
    if (!Array.isArray(value) || value.length !== 2)
      throw new InputError(
        `${place}: a row has two fields, key and value, found ${Array.isArray(value) ? value.length : showValue(value)}; a field with a comma is quoted.`,
      );
    const [key, own]: readonly unknown[] = value;
    if (pairs.length === 0 && isHeader(key, own)) continue;
    pairs.push({ key: String(key), value: own, place });
  }
  return pairs;
}

const HEADERS: ReadonlySet<string> = new Set(['key', 'attribute', '属性', '键', '名称']);
const VALUE_HEADERS: ReadonlySet<string> = new Set(['value', '值', '取值', '内容']);

function isHeader(key: unknown, value: unknown): boolean {
  return HEADERS.has(plainName(String(key))) && VALUE_HEADERS.has(plainName(String(value)));
}

/** @throws InputError as readAttributes */
export function personaOf(pairs: readonly AttributePair[], source: string): Persona {
  if (pairs.length === 0)
    throw new InputError(`${source} sets no attribute; a persona has one at least, such as "姓名|名字".`);
  const seen = new Map<string, string>();
  const attributes: PersonaAttribute[] = [];
  for (const { key, value, place } of pairs) {
    const attribute = personaAttribute(key, textOf(key, value, place));
    if (attribute.names.some((name) => name === ''))
      throw new InputError(
        key.trim() === ''
          ? `${place}: an attribute has an empty key (its value is ${showValue(value)}); name it.`
          : `${place}: the key "${key}" has an empty alternative beside a "|"; take it out.`,
      );
    const kinds = new Set(attribute.names.map(kindOfName).filter((kind) => kind !== undefined));
    // Different names of one thing are one attribute, also where one of them is not written in its key.
    for (const name of new Set([
      ...attribute.names.map(plainName),
      ...[...kinds].map((kind) => `kind ${kind}`),
    ])) {
      const other = seen.get(name);
      if (other !== undefined)
        throw new InputError(
          `${place}: the key "${key}" sets what "${other}" sets already; one attribute has one key, with "|" between its names.`,
        );
      seen.set(name, key);
    }
    attributes.push(attribute);
  }
  return new Persona(attributes);
}

function textOf(key: string, value: unknown, place: string): string {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string')
    throw new InputError(`${place}: the value of "${key}" is ${showValue(value)}; a text is needed.`);
  if (value.split('|').every((each) => each.trim() === ''))
    throw new InputError(`${place}: the value of "${key}" is empty; leave out what is not set.`);
  return value;
}
