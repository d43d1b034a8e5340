/** Moves a JSON schema into another one with its `$ref`s intact. */
import { orderedObject } from '../../../json/index.js';
import { childPath, isObject } from './schema-keywords.js';

const SCHEMAS_BY_NAME = [
  'properties',
  'patternProperties',
  'dependentSchemas',
  'dependencies',
  '$defs',
  'definitions',
];
const SCHEMAS = [
  'items',
  'additionalItems',
  'additionalProperties',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
  'not',
  'if',
  'then',
  'else',
];
const LISTS_OF_SCHEMAS = ['prefixItems', 'items', 'anyOf', 'oneOf', 'allOf'];

/**
 * A schema that means the same as part of another one: its references to places within itself point at where it will
 * stand. Whatever is no schema stays as it is, constants and unsupported keywords too.
 * @param path where it will stand, as `#/properties/arguments`
 */
export function relocateReferences(schema: unknown, path: string): unknown {
  if (!isObject(schema)) return schema;
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] => {
    if (key === '$ref' && typeof value === 'string' && /^#(\/|$)/.test(value))
      return [key, path + value.slice(1)];
    if (SCHEMAS.includes(key) && !Array.isArray(value)) return [key, relocateReferences(value, path)];
    if (LISTS_OF_SCHEMAS.includes(key) && Array.isArray(value)) {
      return [key, value.map((item: unknown) => relocateReferences(item, path))];
    }
    if (!SCHEMAS_BY_NAME.includes(key) || !isObject(value)) return [key, value];
    return [
      key,
      orderedObject(Object.entries(value).map(([name, each]) => [name, relocateReferences(each, path)])),
    ];
  });
  return orderedObject(entries);
}

/** The place of a part of a schema. */
export function schemaPath(...keys: readonly (string | number)[]): string {
  return keys.reduce<string>(childPath, '#');
}
