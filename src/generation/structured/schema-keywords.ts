/** Which keywords of JSON Schema (2020-12) a grammar honours, and reading them with errors that say where. */
import { InputError } from '../../errors/index.js';

export type JsonType = 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null';

export const JSON_TYPES: readonly JsonType[] = [
  'object',
  'array',
  'string',
  'number',
  'integer',
  'boolean',
  'null',
];

/** They say something about a value and never forbid one. */
const ANNOTATIONS = [
  'title',
  'description',
  'default',
  'example',
  'examples',
  '$schema',
  '$comment',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentEncoding',
  'contentMediaType',
];
/** Schemas for $ref to point at. */
const DEFINITIONS = ['$defs', 'definitions'];

/** Each determines the value alone; beside it stand annotations only, and `type` beside enum and const. */
export const WHOLE_KEYWORDS = ['$ref', 'anyOf', 'oneOf', 'allOf', 'enum', 'const'] as const;

/** Keywords that concern values of one type only. */
export const TYPE_KEYWORDS: ReadonlyMap<JsonType, readonly string[]> = new Map([
  ['object', ['properties', 'required', 'additionalProperties']],
  ['array', ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems']],
  ['string', ['minLength', 'maxLength', 'pattern', 'format']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']],
]);

/** All that restricts values, for documents. uniqueItems: only false; oneOf and allOf: see schema-grammar.ts. */
export const HONOURED_KEYWORDS: readonly string[] = [
  'type',
  ...WHOLE_KEYWORDS,
  ...DEFINITIONS,
  ...[...TYPE_KEYWORDS.values()].flat(),
];

const KNOWN = new Set<string>([...HONOURED_KEYWORDS, ...ANNOTATIONS]);

/** One schema object and where it stands, for messages. */
export class SchemaFields {
  readonly path: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /** @throws InputError for a keyword that is not honoured */
  constructor(schema: Readonly<Record<string, unknown>>, path: string) {
    this.path = path;
    this.#fields = schema;
    for (const key of Object.keys(schema)) {
      // An identifier renames what $ref points at, except at the root, where nothing refers to it by name.
      if (KNOWN.has(key) || (key === '$id' && path === '#')) continue;
      throw schemaError(childPath(path, key), `the keyword "${key}" is not supported`);
    }
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#fields, key);
  }

  get(key: string): unknown {
    return this.has(key) ? this.#fields[key] : undefined;
  }

  /** Those present, without annotations and definitions. */
  get constraints(): string[] {
    return Object.keys(this.#fields).filter(
      (key) => !ANNOTATIONS.includes(key) && !DEFINITIONS.includes(key) && key !== '$id',
    );
  }

  pathOf(key: string): string {
    return childPath(this.path, key);
  }

  fault(key: string, message: string): InputError {
    return schemaError(this.pathOf(key), message);
  }

  number(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
    throw this.fault(key, `expected a number, found ${describe(value)}`);
  }

  /** A whole number of at least 0. */
  count(key: string): number | undefined {
    const value = this.number(key);
    if (value === undefined || (Number.isInteger(value) && value >= 0)) return value;
    throw this.fault(key, `expected a whole number of at least 0, found ${value}`);
  }

  string(key: string): string | undefined {
    const value = this.get(key);
    if (value === undefined || typeof value === 'string') return value;
    throw this.fault(key, `expected a string, found ${describe(value)}`);
  }

  list(key: string): readonly unknown[] | undefined {
    const value = this.get(key);
    if (value === undefined || (Array.isArray(value) && (value.length > 0 || key === 'required')))
      return value;
    throw this.fault(key, `expected a list that is not empty, found ${describe(value)}`);
  }

  object(key: string): Readonly<Record<string, unknown>> | undefined {
    const value = this.get(key);
    if (value === undefined || isObject(value)) return value;
    throw this.fault(key, `expected an object, found ${describe(value)}`);
  }

  /** Undefined: any. */
  types(): readonly JsonType[] | undefined {
    const value = this.get('type');
    if (value === undefined) return undefined;
    const names: readonly unknown[] = Array.isArray(value) ? value : [value];
    const types = JSON_TYPES.filter((type) => names.includes(type));
    const unknown = names.find((name) => !JSON_TYPES.some((type) => type === name));
    if (names.length > 0 && unknown === undefined) return types;
    throw this.fault('type', `expected ${JSON_TYPES.join(', ')} or a list of them, found ${describe(value)}`);
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON pointer as a fragment. */
export function childPath(path: string, key: string | number): string {
  return `${path}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

export function schemaError(path: string, message: string): InputError {
  return new InputError(`The JSON schema at ${path}: ${message}.`);
}

export function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
