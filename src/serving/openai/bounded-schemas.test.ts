import { expect, test } from 'vitest';
import { z } from 'zod';
import { anyObject, idList, list, map } from './bounded-schemas.js';

const item = z.object({ name: z.string().transform((name) => name.toUpperCase()), age: z.nullish(z.int()) });

/** What zod says of the same schema, up to its first fault. */
function firstIssue(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [{ path, message } = { path: [], message: '' }] = result.error.issues;
  return { path, message };
}

test.each([
  [[{ name: 'a' }, { name: 'b', age: 3, more: 1 }]],
  [[{ name: 'a' }, { name: 4 }]],
  [[{ name: 'a', age: 'x' }]],
  [['a']],
  [[]],
  ['a'],
  [null],
  [{ length: 2 }],
])('a list takes and refuses what zod does: %j', (value) => {
  const ours = list(item, { min: 1, max: 3 });
  expect(firstIssue(ours, value)).toEqual(firstIssue(z.array(item).min(1).max(3), value));
  expect(firstIssue(z.object({ a: ours }), { a: value })).toEqual(
    firstIssue(z.object({ a: z.array(item).min(1).max(3) }), { a: value }),
  );
});

test.each([[[1, 2, 3]], [[0, -1]], [[1, 2.5]], [[1, '2']], [[2 ** 31]], [[null]], ['1'], [[]]])(
  'a list of ids does: %j',
  (value) => {
    const theirs = z
      .array(
        z
          .int()
          .min(0)
          .max(2 ** 31 - 1),
      )
      .min(1);
    expect(firstIssue(idList({ min: 1, max: 8 }), value)).toEqual(firstIssue(theirs, value));
  },
);

test.each([[{ a: 1 }], [{ a: 1, b: 'x' }], [{}], [[]], ['a'], [null], [{ '2': 1, '10': 2 }]])(
  'a map does: %j',
  (value) => {
    expect(firstIssue(map(z.string(), z.number(), 8), value)).toEqual(
      firstIssue(z.record(z.string(), z.number()), value),
    );
  },
);

test('a map refuses a wrong key by its name', () => {
  const schema = map(z.string().regex(/^\d+$/, 'a token id'), z.number(), 8);
  expect(firstIssue(schema, { '1': 1, x: 1 })).toEqual({ path: ['x'], message: 'a token id' });
});

test('what is too long is refused before it is looked into, and looked into up to the first fault', () => {
  let looked = 0;
  const counted = z.unknown().refine(() => {
    looked += 1;
    return looked < 3;
  });
  expect(firstIssue(list(counted, { max: 4 }), [1, 2, 3, 4, 5])).toMatchObject({
    message: 'Too many: expected at most 4, got 5',
  });
  expect(looked).toBe(0);
  expect(firstIssue(list(counted, { max: 9 }), [1, 2, 3, 4, 5])).toMatchObject({ path: [2] });
  expect(looked).toBe(3);
  expect(firstIssue(map(z.string(), counted, 1), { a: 1, b: 2 })).toMatchObject({
    message: /at most 1, got 2/,
  });
  expect(looked).toBe(3);
});

test('any object is given on as it is', () => {
  const value = { b: { c: [1] }, a: undefined };
  expect(anyObject().parse(value)).toBe(value);
  expect(anyObject().safeParse([]).success).toBe(false);
});

test('they say what they are in JSON Schema', () => {
  expect(z.toJSONSchema(z.object({ a: list(z.string(), { min: 1, max: 2 }) }))).toMatchObject({
    properties: { a: { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 2 } },
  });
});
