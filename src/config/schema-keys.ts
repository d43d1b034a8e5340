/** The keys that a zod schema knows at a path, for suggestions of misspelt ones. */
import type { z } from 'zod';

type Schema = z.core.$ZodType;

/** The keys that a schema knows for the mapping at `path`; of a union, those of all its members. */
export function knownKeysAt(schema: Schema, path: readonly PropertyKey[]): string[] {
  let schemas = [schema];
  for (const key of path) schemas = schemas.flatMap(unwrap).flatMap((member) => childAt(member, key));
  return [...new Set(schemas.flatMap(unwrap).flatMap(ownKeys))];
}

/** Through defaults, optionals and the like to the schemas that describe the value itself. */
function unwrap(schema: Schema): Schema[] {
  const { def } = asKnown(schema)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'nonoptional':
    case 'default':
    case 'prefault':
    case 'catch':
    case 'readonly':
      return unwrap(def.innerType);
    case 'lazy':
      return unwrap(def.getter());
    case 'pipe':
      return [def.in, def.out].flatMap(unwrap);
    case 'union':
      return def.options.flatMap(unwrap);
    case 'intersection':
      return [def.left, def.right].flatMap(unwrap);
    default:
      return [schema];
  }
}

function childAt(schema: Schema, key: PropertyKey): Schema[] {
  const { def } = asKnown(schema)._zod;
  switch (def.type) {
    case 'object': {
      const child = Object.hasOwn(def.shape, key) ? def.shape[String(key)] : def.catchall;
      return child === undefined ? [] : [child];
    }
    case 'array':
      return [def.element];
    case 'tuple': {
      const child = def.items[Number(key)] ?? def.rest;
      return child ? [child] : [];
    }
    case 'record':
      return [def.valueType];
    default:
      return [];
  }
}

function ownKeys(schema: Schema): string[] {
  const { def } = asKnown(schema)._zod;
  return def.type === 'object' ? Object.keys(def.shape) : [];
}

/** Every schema that zod makes is one of its own types; the base type alone does not say so. */
function asKnown(schema: Schema): z.core.$ZodTypes {
  return schema as z.core.$ZodTypes;
}
