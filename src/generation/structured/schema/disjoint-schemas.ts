/** Whether two JSON schemas exclude each other; `oneOf` needs to know. */
import { isObject, JSON_TYPES, type JsonType } from './schema-keywords.js';

/** Finds the schema that a $ref points at; undefined if there is none. */
export type ResolveReference = (reference: string) => unknown;

/** Answers by pair and depth. */
export type KnownPairs = Map<unknown, Map<unknown, Map<number, boolean>>>;

/**
 * Whether no value can match both schemas, as far as it can be seen without effort: they have no type in common, or
 * list different constants, or both require a property whose constants differ (a tagged union).
 */
export function areDisjoint(
  a: unknown,
  b: unknown,
  resolve: ResolveReference,
  known: KnownPairs,
  depth = 0,
): boolean {
  const byDepth = known.get(a)?.get(b) ?? new Map<number, boolean>();
  const answer = byDepth.get(depth) ?? findDisjoint(a, b, resolve, known, depth);
  byDepth.set(depth, answer);
  known.set(a, (known.get(a) ?? new Map()).set(b, byDepth));
  return answer;
}

function findDisjoint(
  a: unknown,
  b: unknown,
  resolve: ResolveReference,
  known: KnownPairs,
  depth: number,
): boolean {
  const first = followReferences(a, resolve);
  const second = followReferences(b, resolve);
  if (!isObject(first) || !isObject(second) || depth > 4) return false;
  const constants = constantsOf(first);
  const otherConstants = constantsOf(second);
  if (constants !== undefined && otherConstants !== undefined) {
    const texts = new Set(constants.map(canonical));
    return !otherConstants.some((value) => texts.has(canonical(value)));
  }
  const types = typesOf(first, constants);
  const otherTypes = typesOf(second, otherConstants);
  if (!types.some((type) => otherTypes.includes(type))) return true;
  const onlyObjects = [...types, ...otherTypes].every((type) => type === 'object');
  if (!onlyObjects) return false;
  const properties = first.properties;
  const otherProperties = second.properties;
  if (!isObject(properties) || !isObject(otherProperties)) return false;
  return Object.keys(properties).some(
    (key) =>
      Object.hasOwn(otherProperties, key) &&
      [first, second].every(({ required }) => Array.isArray(required) && required.includes(key)) &&
      areDisjoint(properties[key], otherProperties[key], resolve, known, depth + 1),
  );
}

function followReferences(schema: unknown, resolve: ResolveReference): unknown {
  let target = schema;
  for (let count = 0; count < 16 && isObject(target) && typeof target.$ref === 'string'; count++) {
    target = resolve(target.$ref);
  }
  return target;
}

function constantsOf(schema: Readonly<Record<string, unknown>>): readonly unknown[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [schema.const];
  return Array.isArray(schema.enum) ? schema.enum : undefined;
}

/** Types that a value of the schema may have; whole numbers are counted as numbers. */
function typesOf(
  schema: Readonly<Record<string, unknown>>,
  constants: readonly unknown[] | undefined,
): readonly JsonType[] {
  if (constants !== undefined)
    return JSON_TYPES.filter((type) => constants.some((value) => isOfType(value, type)));
  const names: readonly unknown[] = Array.isArray(schema.type) ? schema.type : [schema.type];
  if (schema.type === undefined) return JSON_TYPES;
  const types = JSON_TYPES.filter((type) => names.includes(type));
  return types.includes('integer') && !types.includes('number') ? [...types, 'number'] : types;
}

/** As JSON Schema has it: 1.0 is an integer. */
export function isOfType(value: unknown, expected: JsonType): boolean {
  switch (expected) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'string':
    case 'boolean':
    case 'number':
      return typeof value === expected;
    case 'integer':
      return Number.isInteger(value);
    case 'null':
      return value === null;
  }
  expected satisfies never;
  return false;
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    isObject(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
