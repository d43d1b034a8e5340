import { JSON_TYPES, type JsonType, type SchemaFields, TYPE_KEYWORDS } from './schema-keywords.js';

/**
 * The types that all parts allow. Where none gives any, the keywords tell which are meant.
 * @returns undefined: any
 */
export function typesOf(parts: readonly SchemaFields[]): JsonType[] | undefined {
  let types: JsonType[] | undefined;
  for (const part of parts) {
    const own = part.types();
    if (own === undefined) continue;
    // Whole numbers are numbers.
    const allowed = own.includes('number')
      ? JSON_TYPES.filter((type) => type === 'integer' || own.includes(type))
      : own;
    types = (types ?? JSON_TYPES).filter((type) => allowed.includes(type));
  }
  if (types === undefined) {
    const described = [...TYPE_KEYWORDS].filter(([, keywords]) =>
      parts.some((part) => keywords.some((key) => part.has(key))),
    );
    if (described.length === 0) return undefined;
    return described.map(([type]) => type);
  }
  return types.includes('number') ? types.filter((type) => type !== 'integer') : types;
}
