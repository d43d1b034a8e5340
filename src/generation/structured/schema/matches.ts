/** Whether a given value matches a schema: for constants and for names of properties. */
import { acceptsText } from '../regex/text-machine.js';
import type { LocatedSchema, SchemaScope } from './conjunction.js';
import { isOfType } from './disjoint-schemas.js';
import { isObject, type SchemaFields } from './schema-keywords.js';
import { bounded, type StringTexts } from './string-texts.js';

export class ValueCheck {
  readonly #scope: SchemaScope;
  readonly #texts: StringTexts;
  readonly #checkTime: () => void;

  constructor(scope: SchemaScope, texts: StringTexts, checkTime: () => void) {
    this.#scope = scope;
    this.#texts = texts;
    this.#checkTime = checkTime;
  }

  /** @throws InputError for a keyword that cannot be checked */
  matches(value: unknown, schema: LocatedSchema | SchemaFields): boolean {
    this.#checkTime();
    const fields = 'schema' in schema ? this.#scope.fieldsOf(schema) : schema;
    if (typeof fields === 'boolean') return fields;
    if (typeof value === 'string' && !this.#matchesString(value, fields)) return false;
    return fields.constraints.every((keyword) => this.#keyword(value, fields, keyword));
  }

  #matchesString(value: string, fields: SchemaFields): boolean {
    const rules = this.#texts.rulesOf([fields]);
    const length = [...value].length;
    if (length < rules.min || length > rules.max || rules.excluded.includes(value)) return false;
    if (rules.forms.length === 0) return true;
    const machine = bounded(fields, rules.forms[0]!.keyword, () =>
      this.#texts.machineOf(this.#texts.languageOf({ ...rules, excluded: [] })),
    );
    return machine !== undefined && acceptsText(machine, value);
  }

  #keyword(value: unknown, fields: SchemaFields, keyword: string): boolean {
    const scope = this.#scope;
    const matches = (part: LocatedSchema) => this.matches(value, part);
    switch (keyword) {
      case 'type':
        return (fields.types() ?? []).some((type) => isOfType(value, type));
      case 'enum':
        return (fields.list('enum') ?? []).some((each) => isEqual(each, value));
      case 'const':
        return isEqual(fields.get('const'), value);
      case '$ref':
        return matches(scope.target(fields));
      case 'allOf':
        return scope.listed(fields, 'allOf').every(matches);
      case 'anyOf':
        return scope.listed(fields, 'anyOf').some(matches);
      case 'oneOf':
        return scope.listed(fields, 'oneOf').filter(matches).length === 1;
      case 'not':
        return !matches(scope.child(fields, fields.get('not'), 'not'));
      case 'if': {
        const isMet = matches(scope.child(fields, fields.get('if'), 'if'));
        const branch = isMet ? 'then' : 'else';
        return !fields.has(branch) || matches(scope.child(fields, fields.get(branch), branch));
      }
      default:
        if (typeof value === 'number') return matchesNumber(value, fields, keyword);
        if (Array.isArray(value)) return this.#list(value, fields, keyword);
        return isObject(value) ? this.#object(value, fields, keyword) : true;
    }
  }

  #list(value: readonly unknown[], fields: SchemaFields, keyword: string): boolean {
    switch (keyword) {
      case 'minItems':
        return value.length >= (fields.count(keyword) ?? 0);
      case 'maxItems':
        return value.length <= (fields.count(keyword) ?? 0);
      case 'uniqueItems':
        return (
          fields.get(keyword) !== true ||
          !value.some((each, at) => value.some((other, index) => index > at && isEqual(each, other)))
        );
      case 'prefixItems':
      case 'items':
      case 'additionalItems':
      case 'unevaluatedItems': {
        const schemas = itemSchemas(this.#scope, fields);
        return value.every((each, index) => {
          const schema = schemas.first[index] ?? schemas.rest;
          return schema === undefined || this.matches(each, schema);
        });
      }
      default:
        return true;
    }
  }

  #object(value: Readonly<Record<string, unknown>>, fields: SchemaFields, keyword: string): boolean {
    const names = Object.keys(value);
    switch (keyword) {
      case 'required':
        return (fields.list(keyword) ?? []).every((name) => names.includes(String(name)));
      case 'minProperties':
        return names.length >= (fields.count(keyword) ?? 0);
      case 'maxProperties':
        return names.length <= (fields.count(keyword) ?? 0);
      case 'propertyNames':
        return names.every((name) =>
          this.matches(name, this.#scope.child(fields, fields.get(keyword), keyword)),
        );
      case 'properties':
      case 'patternProperties':
      case 'additionalProperties':
      case 'unevaluatedProperties':
        return names.every((name) =>
          this.schemasFor(name, fields).every((schema) => this.matches(value[name], schema)),
        );
      case 'dependentRequired':
      case 'dependentSchemas':
      case 'dependencies':
        return Object.entries(fields.object(keyword) ?? {}).every(([name, wanted]) => {
          if (!names.includes(name)) return true;
          if (Array.isArray(wanted)) return wanted.every((each) => names.includes(String(each)));
          return this.matches(value, this.#scope.child(fields, wanted, keyword, name));
        });
      default:
        return true;
    }
  }

  /** The schemas that the value of a property must match by one schema of the object. */
  schemasFor(name: string, fields: SchemaFields): LocatedSchema[] {
    const properties = fields.object('properties') ?? {};
    const found = Object.hasOwn(properties, name)
      ? [this.#scope.child(fields, properties[name], 'properties', name)]
      : [];
    if (fields.has('patternProperties')) {
      for (const [pattern, schema] of this.#scope.children(fields, 'patternProperties')) {
        const machine = this.#texts.searchMachine(fields, 'patternProperties', pattern);
        if (machine !== undefined && acceptsText(machine, name)) found.push(schema);
      }
    }
    return found.length > 0 ? found : otherSchemas(this.#scope, fields);
  }
}

/** What properties must match that a schema does not name. */
export function otherSchemas(scope: SchemaScope, fields: SchemaFields): LocatedSchema[] {
  const keyword = ['additionalProperties', 'unevaluatedProperties'].find((key) => fields.has(key));
  return keyword === undefined ? [] : [scope.child(fields, fields.get(keyword), keyword)];
}

/** What the items must match by one schema of the list: first those with a schema of their own. */
export function itemSchemas(
  scope: SchemaScope,
  fields: SchemaFields,
): { first: readonly LocatedSchema[]; rest: LocatedSchema | undefined } {
  // Before 2020 a list under "items" was what "prefixItems" is now, and "additionalItems" what "items" is.
  const isOld = Array.isArray(fields.get('items'));
  const first = scope.listed(fields, isOld ? 'items' : 'prefixItems');
  const keyword = [isOld ? 'additionalItems' : 'items', 'unevaluatedItems'].find((key) => fields.has(key));
  return {
    first,
    rest: keyword === undefined ? undefined : scope.child(fields, fields.get(keyword), keyword),
  };
}

function matchesNumber(value: number, fields: SchemaFields, keyword: string): boolean {
  const bound = fields.get(keyword);
  const isExclusive = (key: string) => fields.get(key) === true;
  switch (keyword) {
    case 'minimum':
      return typeof bound !== 'number' || (isExclusive('exclusiveMinimum') ? value > bound : value >= bound);
    case 'maximum':
      return typeof bound !== 'number' || (isExclusive('exclusiveMaximum') ? value < bound : value <= bound);
    case 'exclusiveMinimum':
      return typeof bound !== 'number' || value > bound;
    case 'exclusiveMaximum':
      return typeof bound !== 'number' || value < bound;
    case 'multipleOf': {
      const step = fields.number('multipleOf') ?? 1;
      return isMultiple(value, step);
    }
    default:
      return true;
  }
}

/** Of the decimal numbers that are written, as 0.3 is one of 0.1. */
function isMultiple(value: number, step: number): boolean {
  if (Number.isInteger(step) && Number.isInteger(value)) return value % step === 0;
  const quotient = value / step;
  return Math.abs(quotient - Math.round(quotient)) <= Math.abs(quotient) * 1e-14;
}

export function isEqual(a: unknown, b: unknown): boolean {
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((each, index) => isEqual(each, b[index]));
  }
  if (!isObject(a)) return a === b;
  if (!isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]))
  );
}
