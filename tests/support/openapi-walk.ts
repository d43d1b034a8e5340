/** Hostile requests made from an OpenAPI document: each field of each body with values that no field wants. */
import { z } from 'zod';

export interface Operation {
  readonly method: string;
  /** With path parameters filled in. */
  readonly path: string;
  /** undefined: no body is taken. */
  readonly example: Readonly<Record<string, unknown>> | undefined;
  /** Of the body. */
  readonly fields: readonly string[];
  readonly wantsKey: boolean;
  readonly wantsAdmin: boolean;
  readonly statuses: readonly number[];
}

const objectSchema = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
});

const documentSchema = z.looseObject({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        security: z.array(z.record(z.string(), z.unknown())),
        requestBody: z
          .looseObject({
            content: z.looseObject({
              'application/json': z.looseObject({
                schema: z.unknown(),
                example: z.record(z.string(), z.unknown()).optional(),
              }),
            }),
          })
          .optional(),
        responses: z.record(z.string(), z.unknown()),
      }),
    ),
  ),
});

/** @throws ZodError for a document that is none */
export function readOperations(document: unknown): Operation[] {
  return Object.entries(documentSchema.parse(document).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security, requestBody, responses }]) => {
      const body = requestBody?.content['application/json'];
      return {
        method: method.toUpperCase(),
        path: path.replace(/\{\w+\}/g, 'x'),
        example: body === undefined ? undefined : (body.example ?? {}),
        fields: body === undefined ? [] : [...new Set(fieldsOf(body.schema))],
        wantsKey: security.length > 0 && !security.some((entry) => Object.keys(entry).length === 0),
        wantsAdmin: security.some((entry) => 'adminKey' in entry),
        statuses: Object.keys(responses).map(Number),
      };
    }),
  );
}

function fieldsOf(schema: unknown): string[] {
  const { properties = {}, anyOf = [], oneOf = [] } = objectSchema.parse(schema);
  return [...Object.keys(properties), ...[...anyOf, ...oneOf].flatMap(fieldsOf)];
}

/** Values that stand in for a field's. */
export const hostileValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  -1e308,
  5e-324,
  2 ** 31,
  2 ** 53 + 2,
  -(2 ** 63),
  '',
  '0',
  '\u0000',
  '\ud800',
  '\u202e星河\u{1f300}',
  '../../../../etc/passwd',
  'x'.repeat(20_000),
  [],
  [null],
  [[]],
  [1, 'a', {}],
  Array.from({ length: 2000 }, (_, index) => index),
  {},
  { constructor: 1, toString: null },
  { type: 'json_schema', json_schema: { schema: { $ref: '#' } } },
  nest(50),
];

function nest(levels: number): unknown {
  let value: unknown = 0;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}
