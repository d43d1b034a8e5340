/** "Not": schemas of which one holds wherever another does not. */

import { LocatedSchema, type SchemaScope } from './conjunction.js';
import { isOfType } from './disjoint-schemas.js';
import { isObject, JSON_TYPES, type JsonType, type SchemaFields } from './schema-keywords.js';

/**
 * Alternatives that together say the opposite of a schema.
 * @returns undefined where a keyword has no opposite that a grammar can follow
 */
export function negated(scope: SchemaScope, located: LocatedSchema, depth = 0): LocatedSchema[] | undefined {
  const fields = scope.fieldsOf(located);
  const derived = new DerivedSchemas(located);
  if (fields === true) return [];
  if (fields === false) return [derived.of({})];
  if (depth > 16) return undefined;
  const alternatives: LocatedSchema[] = [];
  for (const keyword of fields.constraints) {
    const opposites = new Negation(scope, fields, derived, depth).of(keyword);
    if (opposites === undefined) return undefined;
    alternatives.push(...opposites);
  }
  return alternatives;
}

class DerivedSchemas {
  readonly #source: LocatedSchema;
  #count = 0;

  constructor(source: LocatedSchema) {
    this.#source = source;
  }

  of(schema: Readonly<Record<string, unknown>>): LocatedSchema {
    const { path, depth, id } = this.#source;
    return new LocatedSchema(schema, path, depth, `${id}!${this.#count++}`);
  }

  /** The opposite of a part of the source. */
  not(part: LocatedSchema): LocatedSchema {
    return new LocatedSchema({ not: part }, part.path, part.depth, `${part.id}!not`);
  }
}

class Negation {
  readonly #scope: SchemaScope;
  readonly #fields: SchemaFields;
  readonly #derived: DerivedSchemas;
  readonly #depth: number;

  constructor(scope: SchemaScope, fields: SchemaFields, derived: DerivedSchemas, depth: number) {
    this.#scope = scope;
    this.#fields = fields;
    this.#derived = derived;
    this.#depth = depth;
  }

  of(keyword: string): LocatedSchema[] | undefined {
    const fields = this.#fields;
    const one = (schema: Readonly<Record<string, unknown>>) => [this.#derived.of(schema)];
    switch (keyword) {
      case 'type':
        return this.#type(fields.types() ?? []);
      case 'const':
        return this.#constants([fields.get('const')]);
      case 'enum':
        return this.#constants(fields.list('enum') ?? []);
      case '$ref':
        return negated(this.#scope, this.#scope.target(fields), this.#depth + 1);
      case 'not':
        return [this.#scope.child(fields, fields.get('not'), 'not')];
      case 'anyOf':
        return one({ allOf: this.#scope.listed(fields, 'anyOf').map((part) => this.#derived.not(part)) });
      case 'allOf':
        return this.#scope.listed(fields, 'allOf').map((part) => this.#derived.not(part));
      case 'minLength':
        return this.#below('string', 'maxLength', fields.count('minLength'));
      case 'maxLength':
        return one({ type: 'string', minLength: (fields.count('maxLength') ?? 0) + 1 });
      case 'pattern':
        return one({ type: 'string', '!pattern': fields.string('pattern') });
      case 'format':
        return one({ type: 'string', '!format': fields.string('format') });
      case 'minimum':
      case 'maximum':
      case 'exclusiveMinimum':
      case 'exclusiveMaximum':
        return this.#bound(keyword);
      case 'minItems':
        return this.#below('array', 'maxItems', fields.count('minItems'));
      case 'maxItems':
        return one({ type: 'array', minItems: (fields.count('maxItems') ?? 0) + 1 });
      case 'minProperties':
        return this.#below('object', 'maxProperties', fields.count('minProperties'));
      case 'required':
        return (fields.list('required') ?? []).map((name) =>
          this.#derived.of({ type: 'object', properties: { [String(name)]: false } }),
        );
      case 'properties':
        return this.#scope.children(fields, 'properties').map(([name, part]) =>
          this.#derived.of({
            type: 'object',
            required: [name],
            properties: { [name]: this.#derived.not(part) },
          }),
        );
      case 'additionalProperties':
      case 'uniqueItems':
        return fields.get(keyword) === (keyword !== 'uniqueItems') ? [] : undefined;
      default:
        return undefined;
    }
  }

  #below(type: JsonType, keyword: string, count = 0): LocatedSchema[] {
    return count === 0 ? [] : [this.#derived.of({ type, [keyword]: count - 1 })];
  }

  /** Numbers that are not whole have no type of their own. */
  #type(types: readonly JsonType[]): LocatedSchema[] | undefined {
    if (types.includes('integer') && !types.includes('number')) return undefined;
    const others = JSON_TYPES.filter((type) => !types.includes(type) && type !== 'integer');
    return others.length === 0 ? [] : [this.#derived.of({ type: others })];
  }

  #bound(keyword: string): LocatedSchema[] | undefined {
    const value = this.#fields.get(keyword);
    // The older form, where a boolean tells how to read the bound beside it.
    if (typeof value !== 'number' || typeof this.#fields.get(`exclusive${capital(keyword)}`) === 'boolean')
      return undefined;
    const opposite = {
      minimum: 'exclusiveMaximum',
      maximum: 'exclusiveMinimum',
      exclusiveMinimum: 'maximum',
      exclusiveMaximum: 'minimum',
    }[keyword];
    return opposite === undefined ? undefined : [this.#derived.of({ type: 'number', [opposite]: value })];
  }

  #constants(values: readonly unknown[]): LocatedSchema[] | undefined {
    if (values.some((value) => Array.isArray(value) || isObject(value))) return undefined;
    const free = JSON_TYPES.filter(
      (type) => type !== 'integer' && !values.some((value) => isOfType(value, type)),
    );
    const alternatives = free.length === 0 ? [] : [this.#derived.of({ type: free })];
    const strings = values.filter((value) => typeof value === 'string');
    if (strings.length > 0) alternatives.push(this.#derived.of({ type: 'string', '!strings': strings }));
    const booleans = [true, false].filter((value) => !values.includes(value));
    if (booleans.length === 1) alternatives.push(this.#derived.of({ enum: booleans }));
    const numbers = values.filter((value) => typeof value === 'number').sort((a, b) => a - b);
    for (let at = 0; at <= numbers.length && numbers.length > 0; at++) {
      const between = {
        ...(at > 0 && { exclusiveMinimum: numbers[at - 1] }),
        ...(at < numbers.length && { exclusiveMaximum: numbers[at] }),
      };
      alternatives.push(this.#derived.of({ type: 'number', ...between }));
    }
    return alternatives;
  }
}

function capital(word: string): string {
  return word[0]!.toUpperCase() + word.slice(1);
}
