import type { GrammarNode } from '../byte-grammar.js';
import type { Conjunction, LocatedSchema } from './conjunction.js';
import { itemSchemas } from './matches.js';
import type { SchemaReading } from './schema-grammar.js';
import type { SchemaFields } from './schema-keywords.js';
import { countRange } from './string-texts.js';
import { typesOf } from './value-types.js';

/** Sets of items that may have been used before a place; each needs a rule of its own. */
const MAX_SETS = 4096;
/** More values than this give more sets. */
const MAX_VALUES = 1024;

/** Arrays. Further items after `prefixItems` are written only where `items` is there. */
export class ArrayGrammar {
  readonly #reading: SchemaReading;

  constructor(reading: SchemaReading) {
    this.#reading = reading;
  }

  /** The arrays that all parts allow. */
  node(parts: readonly SchemaFields[]): GrammarNode {
    const { builder, json } = this.#reading;
    let min = 0;
    let max = Number.POSITIVE_INFINITY;
    for (const part of parts) {
      const range = countRange(part, 'minItems', 'maxItems');
      min = Math.max(min, range.min);
      max = Math.min(max, range.max);
    }
    const schemas = parts.map((part) => itemSchemas(this.#reading.scope, part));
    const length = Math.max(0, ...schemas.map(({ first }) => first.length));
    const first = Array.from({ length }, (_, index) =>
      schemas.flatMap(({ first: own, rest }) => own[index] ?? rest ?? []),
    );
    const rest = schemas.flatMap(({ rest: own }) => own ?? []);
    const isOpen = rest.length > 0 || length === 0 || min > length;
    const unique = parts.find((part) => isUnique(part));
    if (unique !== undefined && max > 1)
      return this.#uniqueList(unique, first, isOpen ? rest : undefined, min, max);
    const nodes = first.map((each) => this.#reading.node(each));
    const impossible = nodes.indexOf(undefined);
    const item = isOpen ? this.#reading.node(rest) : undefined;
    const last = impossible < 0 ? max : Math.min(max, impossible);
    if (min > last) return builder.nothing;
    return json.list(
      nodes.slice(0, last).map((node) => node ?? builder.nothing),
      impossible < 0 ? item : undefined,
      min,
      last,
    );
  }

  /** No two items alike: what may come depends on all that came before. */
  #uniqueList(
    fields: SchemaFields,
    first: readonly (readonly LocatedSchema[])[],
    rest: readonly LocatedSchema[] | undefined,
    min: number,
    max: number,
  ): GrammarNode {
    const { builder, json } = this.#reading;
    const unsupported = () =>
      fields.fault(
        'uniqueItems',
        `the keyword "uniqueItems" is supported where the items are a few constants (up to ${MAX_SETS} sets of them), or with "maxItems" of 1`,
      );
    const texts = [...first, ...(rest === undefined ? [] : [rest])].map((schemas) => {
      const values = this.#values(this.#reading.scope.conjunction(schemas));
      if (values === undefined) throw unsupported();
      return values;
    });
    const known = new Map<string, GrammarNode>();
    const after = (used: readonly string[]): GrammarNode => {
      const key = used.length < first.length ? used.join('\n') : [...used].sort().join('\n');
      const seen = known.get(`${used.length} ${key}`);
      if (seen !== undefined) return seen;
      if (known.size >= MAX_SETS) throw unsupported();
      builder.checkTime();
      const rule = builder.rule();
      known.set(`${used.length} ${key}`, rule);
      const isFull = used.length >= max || (used.length >= first.length && rest === undefined);
      const free = isFull
        ? []
        : (texts[Math.min(used.length, first.length)] ?? []).filter((text) => !used.includes(text));
      const options = free.map((text) =>
        builder.sequence([
          ...(used.length > 0 ? [json.comma] : []),
          json.constant(JSON.parse(text)),
          after([...used, text]),
        ]),
      );
      rule.target = builder.choice(used.length >= min ? [builder.empty, ...options] : options);
      return rule;
    };
    return builder.sequence([builder.literal('['), after([]), builder.literal(']')]);
  }

  /** All values as JSON; undefined where they are not few. */
  #values(conjunction: Conjunction | undefined): string[] | undefined {
    if (conjunction === undefined) return [];
    const parts = [...conjunction.parts.values()];
    const constants = this.#reading.constants(parts);
    if (constants !== undefined) return distinct(constants.map((value) => JSON.stringify(value)));
    const alternatives = this.#reading.alternatives(conjunction);
    if (alternatives !== undefined) {
      const each = alternatives.map((alternative) => this.#values(alternative));
      return each.includes(undefined) ? undefined : distinct(each.flatMap((values) => values ?? []));
    }
    const types = typesOf(parts);
    if (types === undefined) return undefined;
    const values: unknown[] = [];
    for (const type of types) {
      if (type === 'null') values.push(null);
      else if (type === 'boolean') values.push(true, false);
      else if (type === 'integer') {
        const range = wholeRange(parts);
        if (range === undefined) return undefined;
        values.push(...range);
      } else return undefined;
    }
    return values
      .filter((value) => parts.every((part) => this.#reading.check.matches(value, part)))
      .map((value) => JSON.stringify(value));
  }
}

function isUnique(part: SchemaFields): boolean {
  const value = part.get('uniqueItems');
  if (value === undefined || typeof value === 'boolean') return value === true;
  throw part.fault('uniqueItems', 'expected true or false');
}

function wholeRange(parts: readonly SchemaFields[]): number[] | undefined {
  const bounds = (keys: readonly string[]) =>
    parts.flatMap((part) =>
      keys.flatMap((key) => (typeof part.get(key) === 'number' ? [part.number(key) ?? 0] : [])),
    );
  const from = Math.ceil(Math.max(...bounds(['minimum', 'exclusiveMinimum'])));
  const to = Math.floor(Math.min(...bounds(['maximum', 'exclusiveMaximum'])));
  if (!(to - from < MAX_VALUES)) return undefined;
  return Array.from({ length: Math.max(to - from + 1, 0) }, (_, index) => from + index);
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
