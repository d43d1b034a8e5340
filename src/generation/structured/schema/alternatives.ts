/** Keywords by which a value may match in one of several ways, resolved one at a time. */

import { orderedObject } from '../../../json/index.js';
import { type Conjunction, LocatedSchema, type SchemaScope } from './conjunction.js';
import { areDisjoint, type KnownPairs } from './disjoint-schemas.js';
import { negated } from './negation.js';
import { describe, isObject, type SchemaFields } from './schema-keywords.js';

type Alternative = readonly (LocatedSchema | SchemaFields)[];

const KEYWORDS = [
  'anyOf',
  'oneOf',
  'not',
  'if',
  'dependentRequired',
  'dependentSchemas',
  'dependencies',
] as const;
/** Pairs of schemas of a oneOf that may overlap; each makes the others' grammars larger. */
const MAX_OVERLAPS = 12;

/**
 * The ways in which a conjunction can hold, by the first such keyword of it.
 * @param checkTime throws once the work takes too long
 * @returns undefined if it has none
 */
export function alternativesOf(
  scope: SchemaScope,
  conjunction: Conjunction,
  checkTime: () => void,
): Conjunction[] | undefined {
  for (const part of conjunction.parts.values()) {
    const keyword = KEYWORDS.find((key) => part.has(key));
    if (keyword === undefined) continue;
    const others = [...conjunction.parts.values()].filter((other) => other !== part);
    const own = keyword === 'if' ? part.without('if').without('then').without('else') : part.without(keyword);
    return alternatives(scope, part, keyword, checkTime).flatMap((alternative) => {
      checkTime();
      return scope.conjunction([...others, own, ...alternative]) ?? [];
    });
  }
  return undefined;
}

function alternatives(
  scope: SchemaScope,
  part: SchemaFields,
  keyword: (typeof KEYWORDS)[number],
  checkTime: () => void,
): Alternative[] {
  switch (keyword) {
    case 'anyOf':
      return scope.listed(part, 'anyOf').map((each) => [each]);
    case 'oneOf':
      return exactlyOne(scope, part, checkTime);
    case 'not': {
      const opposites = negated(scope, scope.child(part, part.get('not'), 'not'));
      if (opposites !== undefined) return opposites.map((each) => [each]);
      throw part.fault(
        'not',
        'the keyword "not" is supported for types, constants, lengths, bounds, patterns, required and properties only',
      );
    }
    case 'if':
      return conditional(scope, part);
    case 'dependentRequired':
    case 'dependentSchemas':
    case 'dependencies':
      return dependent(scope, part, keyword);
  }
  keyword satisfies never;
  return [];
}

/** Where two schemas may both match, each excludes the other. */
function exactlyOne(scope: SchemaScope, part: SchemaFields, checkTime: () => void): Alternative[] {
  const schemas = scope.listed(part, 'oneOf');
  const resolve = (reference: string) => {
    checkTime();
    return scope.resolve(reference);
  };
  const known: KnownPairs = new Map();
  const overlaps: LocatedSchema[][] = schemas.map(() => []);
  let count = 0;
  for (const [index, schema] of schemas.entries()) {
    for (const [at, other] of schemas.entries()) {
      if (at <= index || areDisjoint(schema.schema, other.schema, resolve, known)) continue;
      count += 1;
      const isNegatable = [withoutType(schema, other), withoutType(other, schema)].every(
        (each) => negated(scope, each) !== undefined,
      );
      if (!isNegatable || count > MAX_OVERLAPS) {
        throw part.fault(
          'oneOf',
          `the keyword "oneOf" is supported where its schemas exclude each other (by type, by constants or by a required property of different constants) or have simple opposites; ${index} and ${at} may both match. Use anyOf`,
        );
      }
      overlaps[index]!.push(withoutType(other, schema));
      overlaps[at]!.push(withoutType(schema, other));
    }
  }
  return schemas.map((schema, index) => [schema, ...overlaps[index]!.map(opposite)]);
}

/** What is left of a schema to exclude where another one demands the same type. */
function withoutType(located: LocatedSchema, beside: LocatedSchema): LocatedSchema {
  const { schema, path, depth, id } = located;
  if (!isObject(schema) || !isObject(beside.schema)) return located;
  const { type, ...rest } = schema;
  if (typeof type !== 'string' || type !== beside.schema.type) return located;
  return new LocatedSchema(rest, path, depth, `${id}!untyped`);
}

function opposite(schema: LocatedSchema): LocatedSchema {
  return new LocatedSchema({ not: schema }, schema.path, schema.depth, `${schema.id}!not`);
}

function conditional(scope: SchemaScope, part: SchemaFields): Alternative[] {
  const branch = (key: string) => (part.has(key) ? [scope.child(part, part.get(key), key)] : []);
  const condition = scope.child(part, part.get('if'), 'if');
  const opposites = negated(scope, condition);
  if (opposites === undefined) {
    throw part.fault(
      'if',
      'the keyword "if" is supported where its schema has a simple opposite, as "not" has',
    );
  }
  return [[condition, ...branch('then')], ...opposites.map((each) => [each, ...branch('else')])];
}

/** Either the property is not there, or what depends on it holds: one property at a time. */
function dependent(scope: SchemaScope, part: SchemaFields, keyword: string): Alternative[] {
  const [[name, wanted] = [undefined, undefined], ...rest] = Object.entries(part.object(keyword) ?? {});
  if (name === undefined) return [[]];
  const derive = (schema: Readonly<Record<string, unknown>>, mark: string) =>
    new LocatedSchema(schema, part.path, part.depth, `${part.id}!${keyword} ${name} ${mark}`);
  // No literal, since a name may be __proto__.
  const others = rest.length === 0 ? [] : [derive({ [keyword]: orderedObject(rest) }, 'rest')];
  const absent = derive({ properties: { [name]: false } }, 'absent');
  const present = derive({ required: [name] }, 'present');
  let demands: LocatedSchema;
  if (Array.isArray(wanted) && wanted.every((each) => typeof each === 'string')) {
    demands = derive({ type: 'object', required: wanted }, 'demands');
  } else if (
    keyword === 'dependentRequired' ||
    (!isObject(wanted) && typeof wanted !== 'boolean' && !(wanted instanceof LocatedSchema))
  ) {
    throw part.fault(
      keyword,
      `expected names of properties under ${describe(name)}, found ${describe(wanted)}`,
    );
  } else {
    demands = scope.child(part, wanted, keyword, name);
  }
  return [
    [absent, ...others],
    [present, demands, ...others],
  ];
}
