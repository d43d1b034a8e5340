/** Schemas that must hold for one value together. */
import { childPath, describe, isObject, SchemaFields, schemaError } from './schema-keywords.js';

const MAX_DEPTH = 100;
/** Beside them a schema cannot tell by itself which properties or items are left over. */
const APPLICATORS = ['$ref', 'allOf', 'anyOf', 'oneOf', 'if', 'dependentSchemas'];

/** A schema and where it stands in the request. */
export class LocatedSchema {
  readonly schema: unknown;
  readonly path: string;
  /** Its path, or another name for one that we have made. */
  readonly id: string;
  readonly depth: number;

  constructor(schema: unknown, path: string, depth: number, id = path) {
    this.schema = schema;
    this.path = path;
    this.depth = depth;
    this.id = id;
  }
}

export interface Conjunction {
  /** By their ids; none says true or has a $ref or allOf. */
  readonly parts: ReadonlyMap<string, SchemaFields>;
  /** Of equal key: the same values. */
  readonly key: string;
}

/** The schemas of one request, which refer to each other. */
export class SchemaScope {
  readonly #root: unknown;
  readonly #fields = new Map<string, SchemaFields>();

  constructor(root: unknown) {
    this.#root = root;
  }

  get root(): LocatedSchema {
    return new LocatedSchema(this.#root, '#', 0);
  }

  /** Part of a schema; one that we have made may hold schemas with a place of their own. */
  child(fields: SchemaFields, schema: unknown, ...keys: readonly (string | number)[]): LocatedSchema {
    if (schema instanceof LocatedSchema) return schema;
    return new LocatedSchema(schema, keys.reduce<string>(childPath, fields.path), fields.depth + 1);
  }

  /** The schemas under the names of a keyword. */
  children(fields: SchemaFields, keyword: string): [name: string, schema: LocatedSchema][] {
    return Object.entries(fields.object(keyword) ?? {}).map(([name, schema]) => [
      name,
      this.child(fields, schema, keyword, name),
    ]);
  }

  /** The schemas of a list. */
  listed(fields: SchemaFields, keyword: string): LocatedSchema[] {
    return (fields.list(keyword) ?? []).map((schema, index) => this.child(fields, schema, keyword, index));
  }

  /** @throws InputError for what is no schema, is nested too deep or has an unknown keyword */
  fieldsOf({ schema, path, id, depth }: LocatedSchema): SchemaFields | boolean {
    if (typeof schema === 'boolean') return schema;
    if (depth > MAX_DEPTH) throw schemaError(path, `schemas are nested more than ${MAX_DEPTH} deep`);
    if (!isObject(schema)) throw schemaError(path, `expected a schema, found ${describe(schema)}`);
    let fields = this.#fields.get(id);
    if (fields === undefined) {
      fields = new SchemaFields(schema, path, id, depth);
      this.#fields.set(id, fields);
    }
    return fields;
  }

  /** What a reference of a schema points at. @throws InputError if that is nothing */
  target(fields: SchemaFields): LocatedSchema {
    const reference = fields.string('$ref') ?? '';
    const schema = this.resolve(reference);
    if (schema !== undefined) return new LocatedSchema(schema, reference, 0);
    throw fields.fault(
      '$ref',
      `"${reference}" points at nothing; only places within the schema itself (#/…) can be meant`,
    );
  }

  resolve(reference: string): unknown {
    if (!/^#(\/|$)/.test(reference)) return undefined;
    let target: unknown = this.#root;
    for (const part of reference.split('/').slice(1)) {
      const key = decodePercent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof target !== 'object' || target === null || !Object.hasOwn(target, key)) return undefined;
      target = Reflect.get(target, key);
    }
    return target;
  }

  /** All of these; undefined if one says false, or refers to itself and to nothing else. */
  conjunction(schemas: readonly (LocatedSchema | SchemaFields)[]): Conjunction | undefined {
    const parts = new Map<string, SchemaFields>();
    for (const each of schemas) {
      const isPossible =
        each instanceof SchemaFields
          ? this.#addFields(each, parts, new Set())
          : this.#add(each, parts, new Set());
      if (!isPossible) return undefined;
    }
    return { parts, key: [...parts.keys()].sort().join('\n') };
  }

  #add(located: LocatedSchema, parts: Map<string, SchemaFields>, active: Set<string>): boolean {
    const fields = this.fieldsOf(located);
    return typeof fields === 'boolean' ? fields : this.#addFields(fields, parts, active);
  }

  #addFields(fields: SchemaFields, parts: Map<string, SchemaFields>, active: Set<string>): boolean {
    this.#refuseUnevaluated(fields);
    let own = fields;
    const others: LocatedSchema[] = [];
    const keys = fields.constraints;
    if (fields.has('$ref')) {
      others.push(this.target(fields));
      own = own.without('$ref');
    }
    if (fields.has('allOf')) {
      others.push(...this.listed(fields, 'allOf'));
      own = own.without('allOf');
    }
    // As the specification has it, these mean nothing alone.
    if (!fields.has('if')) for (const key of ['then', 'else']) if (fields.has(key)) own = own.without(key);
    // Properties are written in the order in which the schema comes to them.
    const isOwnFirst =
      keys.indexOf('properties') >= 0 && keys.indexOf('properties') < keys.findIndex(isInclusion);
    const addOwn = () => {
      if (own.constraints.length > 0) parts.set(own.id, own);
    };
    if (isOwnFirst) addOwn();
    for (const other of others) {
      if (active.has(other.id)) return false;
      active.add(other.id);
      if (!this.#add(other, parts, active)) return false;
      active.delete(other.id);
    }
    if (!isOwnFirst) addOwn();
    return true;
  }

  #refuseUnevaluated(fields: SchemaFields): void {
    const beside = APPLICATORS.find((key) => fields.has(key));
    if (beside === undefined) return;
    for (const key of ['unevaluatedProperties', 'unevaluatedItems']) {
      if (!fields.has(key) || fields.get(key) === true) continue;
      throw fields.fault(key, `the keyword "${key}" is not supported beside "${beside}"`);
    }
  }
}

function isInclusion(key: string): boolean {
  return key === '$ref' || key === 'allOf';
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
