/** Which keywords of JSON Schema (2020-12) a grammar honours, and reading them with errors that say where. */
import { InputError } from '../../../errors/index.js';

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

/** They say something about a value and never forbid one; so does every name that begins with `x-`. */
const ANNOTATIONS = [
  'title',
  'description',
  'default',
  'example',
  'examples',
  '$schema',
  '$comment',
  '$vocabulary',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentEncoding',
  'contentMediaType',
  'contentSchema',
  'nullable',
  'discriminator',
  'externalDocs',
  'xml',
];
/** Schemas for $ref to point at. */
const DEFINITIONS = ['$defs', 'definitions'];

/** They speak about values of every type, or hold schemas for the same value. */
const GENERAL_KEYWORDS = [
  'type',
  'enum',
  'const',
  '$ref',
  'allOf',
  'anyOf',
  'oneOf',
  'not',
  'if',
  'then',
  'else',
] as const;

/** Keywords that concern values of one type only. */
export const TYPE_KEYWORDS: ReadonlyMap<JsonType, readonly string[]> = new Map([
  [
    'object',
    [
      'properties',
      'required',
      'additionalProperties',
      'patternProperties',
      'propertyNames',
      'minProperties',
      'maxProperties',
      'dependentRequired',
      'dependentSchemas',
      'dependencies',
      'unevaluatedProperties',
    ],
  ],
  [
    'array',
    ['items', 'prefixItems', 'additionalItems', 'minItems', 'maxItems', 'uniqueItems', 'unevaluatedItems'],
  ],
  ['string', ['minLength', 'maxLength', 'pattern', 'format']],
  ['number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']],
]);

/** All that restricts values, for documents. Some have bounds: see docs/serving.md. */
export const HONOURED_KEYWORDS: readonly string[] = [
  ...GENERAL_KEYWORDS,
  ...DEFINITIONS,
  ...[...TYPE_KEYWORDS.values()].flat(),
];

/** What a negated keyword becomes; never read from a request. */
export const NEGATED_KEYWORDS = ['!pattern', '!format', '!strings'] as const;

const KNOWN = new Set<string>([...HONOURED_KEYWORDS, ...ANNOTATIONS]);
const OWN = new Set<string>([...KNOWN, ...NEGATED_KEYWORDS]);

/** One schema object and where it stands, for messages. */
export class SchemaFields {
  readonly path: string;
  /** Of equal id: the same schema. */
  readonly id: string;
  /** Schemas around it. */
  readonly depth: number;
  readonly #fields: Readonly<Record<string, unknown>>;

  /**
   * @param id its path for a schema of the request; another name for one that we have made
   * @throws InputError for a keyword that is not honoured
   */
  constructor(schema: Readonly<Record<string, unknown>>, path: string, id = path, depth = 0) {
    this.path = path;
    this.id = id;
    this.depth = depth;
    this.#fields = schema;
    const known = id === path ? KNOWN : OWN;
    for (const key of Object.keys(schema)) {
      // An identifier renames what $ref points at, except at the root, where nothing refers to it by name.
      if (known.has(key) || key.startsWith('x-') || (['$id', 'id'].includes(key) && path === '#')) continue;
      throw schemaError(childPath(path, key), `the keyword "${key}" is not supported`);
    }
  }

  /** The same without a keyword. */
  without(key: string): SchemaFields {
    const { [key]: _, ...rest } = this.#fields;
    return new SchemaFields(rest, this.path, `${this.id}-${key}`, this.depth);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#fields, key);
  }

  get(key: string): unknown {
    return this.has(key) ? this.#fields[key] : undefined;
  }

  /** Those present that restrict values. */
  get constraints(): string[] {
    return Object.keys(this.#fields).filter(
      (key) => !ANNOTATIONS.includes(key) && !DEFINITIONS.includes(key) && !/^(?:\$?id$|x-)/.test(key),
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
    if (value === undefined || (Array.isArray(value) && (value.length > 0 || MAY_BE_EMPTY.includes(key))))
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

const MAY_BE_EMPTY = ['required', 'prefixItems', 'items'];

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
