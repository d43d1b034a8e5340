/** Schemas as zod and pydantic write them, held to a validator: texts that the grammar generates, and values that it must accept. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { acceptor } from '../../../../tests/support/grammars/accepts.js';
import { isLongSuite } from '../../../../tests/support/long-suite.js';
import { InputError } from '../../../errors/index.js';
import { Random } from '../../random.js';
import { compileGrammar } from '../compile-grammar.js';
import type { AutomatonState, GrammarAutomaton } from '../grammar-automaton.js';

const walks = 8;
/** A machine under load must not fail the tests. */
const compile = (schema: object) => compileGrammar({ kind: 'json-schema', schema }, 64, undefined, 30_000);

/** A text that the automaton allows, byte by byte; undefined where it has no end after some thousand. */
function randomText(automaton: GrammarAutomaton, random: Random): string | undefined {
  let state: AutomatonState = automaton.initial;
  const bytes: number[] = [];
  for (let count = 0; count < 3000; count++) {
    automaton.startMask();
    const options: [number, AutomatonState][] = [];
    for (let byte = 0; byte < 256; byte++) {
      const next = automaton.step(state, byte);
      if (next !== undefined) options.push([byte, next]);
    }
    if (state.isAccepting && (options.length === 0 || random.uniform() < 0.3))
      return Buffer.from(bytes).toString();
    if (options.length === 0) throw new Error(`No way on after ${Buffer.from(bytes).toString()}`);
    const closing = options.filter(([byte]) => '"]}'.includes(String.fromCharCode(byte)));
    const isClosing = closing.length > 0 && random.uniform() < (count > 100 ? 0.8 : 0.15);
    const from = isClosing ? closing : options;
    const [byte, next] = from[Math.floor(random.uniform() * from.length)]!;
    bytes.push(byte);
    state = next;
  }
  return undefined;
}

function validatorOf(schema: object): ValidateFunction {
  const ajv = new Ajv2020({ strict: false, multipleOfPrecision: 9 });
  // ajv-formats is CommonJS whose default export is the function itself.
  Reflect.apply(formats as unknown as (ajv: Ajv2020) => void, undefined, [ajv]);
  return ajv.compile(schema);
}

/** All texts are of the schema. @returns how many came to an end */
function checkTexts(schema: object, isValid: (value: unknown) => boolean): number {
  const automaton = compile(schema);
  let ended = 0;
  for (let seed = 1; seed <= walks; seed++) {
    const text = randomText(automaton, new Random(BigInt(seed)));
    if (text === undefined) continue;
    ended += 1;
    expect(isValid(JSON.parse(text)), `${JSON.stringify(schema)} gave ${text}`).toBe(true);
  }
  return ended;
}

describe('what zod writes', () => {
  const node = z.object({
    name: z.string(),
    get children() {
      return z.array(node);
    },
  });
  const schemas: Readonly<Record<string, z.ZodType>> = {
    email: z.email().min(6).max(60),
    uuid: z.uuid(),
    url: z.url().max(300),
    hostname: z.hostname(),
    base64: z.base64(),
    ipv4: z.ipv4(),
    ipv6: z.ipv6(),
    cidr: z.cidrv4(),
    date: z.iso.date(),
    datetime: z.iso.datetime(),
    duration: z.iso.duration(),
    emoji: z.emoji(),
    ulid: z.ulid(),
    patterns: z
      .string()
      .regex(/^[a-z]/)
      .regex(/\d$/)
      .min(3)
      .max(9),
    begins: z.string().startsWith('ab').endsWith('b').includes('b').max(4),
    step: z.number().multipleOf(0.25).min(-2).max(2),
    even: z.int().multipleOf(14).min(1).max(1000),
    tuple: z.tuple([z.string(), z.int()]).rest(z.boolean()),
    record: z.record(z.string(), z.int()),
    'record of names': z.record(z.enum(['a', 'b']), z.int()),
    'partial record': z.partialRecord(z.enum(['a', 'b']), z.int()),
    'record by pattern': z.record(z.string().regex(/^k\d/), z.boolean()),
    'loose record': z.looseRecord(z.string().regex(/^k\d/), z.boolean()),
    loose: z.looseObject({ a: z.string() }),
    union: z.discriminatedUnion('k', [
      z.object({ k: z.literal('a'), x: z.int() }),
      z.object({ k: z.literal('b'), y: z.string().optional() }),
    ]),
    intersection: z.intersection(z.object({ a: z.string() }), z.object({ b: z.int() })),
    template: z.templateLiteral(['a-', z.int(), '-', z.enum(['x', 'y'])]),
    tree: node,
    json: z.json(),
    described: z
      .string()
      .nullable()
      .describe('d')
      .meta({ title: 't', examples: ['a'], deprecated: true }),
  };

  test.each(Object.keys(schemas))('%s', (name) => {
    const source = schemas[name]!;
    for (const io of ['output', 'input'] as const) {
      const schema = z.toJSONSchema(source, { io });
      // zod itself says whether the value is right.
      expect(checkTexts(schema, (value) => source.safeParse(value).success)).toBeGreaterThan(1);
    }
    for (const target of ['draft-7', 'draft-4', 'openapi-3.0'] as const) {
      // There zod writes null as a string that is nullable and whose only value is null.
      if (name === 'json' && target === 'openapi-3.0') continue;
      const schema = z.toJSONSchema(source, { target });
      expect(() => compile(schema)).not.toThrow();
    }
  });

  test.each([
    [z.jwt(), '#/format: the format "jwt"'],
    [z.object({ a: z.never() }), 'no text that ends'],
  ])('what cannot be enforced is refused', (source, message) => {
    const compiling = () => compile(z.toJSONSchema(source));
    expect(compiling).toThrow(InputError);
    expect(compiling).toThrow(message);
  });
});

const names = { type: 'string', enum: ['red', 'green', 'blue'] };
/** By the keyword that they are about; the forms are pydantic's. */
const accepted: readonly (readonly [string, object, readonly unknown[], readonly unknown[]])[] = [
  [
    'format and lengths',
    { type: 'string', format: 'uri', minLength: 1, maxLength: 30 },
    ['a:b', 'https://x.example/?q#f'],
    ['x', `a:${'b'.repeat(29)}`],
  ],
  [
    'pattern and lengths',
    { type: 'string', pattern: '\\w+', minLength: 2, maxLength: 2000 },
    ['ab', ' a'],
    ['a', '  ', 'a'.repeat(2001)],
  ],
  [
    'several patterns',
    { type: 'string', pattern: '^a', allOf: [{ pattern: 'b$' }, { minLength: 3 }] },
    ['aab'],
    ['ab', 'aa', 'b'],
  ],
  [
    'duration',
    { type: 'string', format: 'duration' },
    ['P1Y2M', 'PT1H', 'P2W', 'P1DT1S'],
    ['P', 'PT', 'P1W2D', '1Y'],
  ],
  [
    'uuid4',
    { type: 'string', format: 'uuid4' },
    ['123e4567-e89b-42d3-a456-426614174000'],
    ['123e4567-e89b-12d3-a456-426614174000'],
  ],
  [
    'ipv6',
    { type: 'string', format: 'ipv6' },
    ['::', '::1', '1::', 'a:b::c:1.2.3.4', '1:2:3:4:5:6:7:8', '1::8'],
    [':::', '1:2', '1:2:3:4:5:6:7:8:9', '::1::'],
  ],
  [
    'multipleOf',
    { type: 'number', multipleOf: 0.01, minimum: 0, maximum: 2 },
    [0, 0.07, 1.1, 2],
    [0.005, 2.01, -0.01],
  ],
  ['multipleOf of integers', { type: 'integer', multipleOf: 7 }, [0, -7, 14, 700000007], [1, 8, -6]],
  [
    'multipleOf a power of ten',
    { type: 'integer', multipleOf: 1_000_000 },
    [0, 3_000_000, -1_000_000],
    [1, 1_500_000],
  ],
  [
    'several multiples',
    { type: 'integer', multipleOf: 4, allOf: [{ multipleOf: 6 }] },
    [12, 24, -12],
    [4, 6, 8],
  ],
  [
    'propertyNames',
    { type: 'object', propertyNames: { type: 'string' }, additionalProperties: { type: 'integer' } },
    [{}, { a: 1, 'ä"': 2 }],
    [{ a: 'x' }],
  ],
  [
    'propertyNames with enum',
    { type: 'object', propertyNames: names, additionalProperties: { type: 'integer' }, required: ['red'] },
    [{ red: 1 }, { red: 1, blue: 2 }],
    [{ blue: 1 }, { red: 1, pink: 2 }],
  ],
  [
    'propertyNames with format',
    { type: 'object', propertyNames: { format: 'date' }, additionalProperties: { type: 'integer' } },
    [{ '2024-01-31': 1 }],
    [{ '2024-1-31': 1 }],
  ],
  [
    'patternProperties',
    { type: 'object', patternProperties: { '^x': { type: 'integer' } }, propertyNames: { maxLength: 3 } },
    [{ xa: 1 }, {}],
    [{ xabc: 1 }, { y: 1 }, { xa: 'b' }],
  ],
  [
    'patternProperties beside others',
    {
      type: 'object',
      properties: { xx: { type: 'string' } },
      patternProperties: { x: { minLength: 2 }, '^y': { type: 'null' } },
      additionalProperties: { type: 'boolean' },
    },
    [{ xx: 'ab', ax: 'cd', y: null, z: true }],
    [{ xx: 'a' }, { ax: 'b' }, { y: 1 }, { z: 1 }],
  ],
  [
    'minProperties, maxProperties',
    {
      type: 'object',
      properties: { a: true, b: true, c: true },
      additionalProperties: false,
      minProperties: 2,
      maxProperties: 2,
    },
    [
      { a: 1, c: 2 },
      { b: 1, c: 1 },
    ],
    [{}, { a: 1 }, { a: 1, b: 2, c: 3 }],
  ],
  [
    'minProperties of a map',
    { type: 'object', additionalProperties: true, minProperties: 1, maxProperties: 2 },
    [{ a: 1 }, { a: 1, b: 2 }],
    [{}, { a: 1, b: 2, c: 3 }],
  ],
  [
    'uniqueItems of constants',
    { type: 'array', items: names, uniqueItems: true },
    [[], ['blue', 'red'], ['red', 'green', 'blue']],
    [['red', 'red']],
  ],
  [
    'uniqueItems with lengths',
    {
      type: 'array',
      items: { type: 'integer', minimum: 1, maximum: 20 },
      uniqueItems: true,
      minItems: 2,
      maxItems: 2,
    },
    [
      [1, 20],
      [3, 2],
    ],
    [[1], [1, 1], [0, 1], [1, 2, 3]],
  ],
  [
    'uniqueItems of one',
    { type: 'array', items: { type: 'string' }, uniqueItems: true, maxItems: 1 },
    [[], ['a']],
    [['a', 'b']],
  ],
  [
    'additionalItems',
    { type: 'array', items: [{ type: 'string' }], additionalItems: { type: 'integer' } },
    [[], ['a'], ['a', 1, 2]],
    [[1], ['a', 'b']],
  ],
  [
    'discriminator',
    {
      discriminator: { propertyName: 'k', mapping: { a: '#/$defs/A' } },
      oneOf: [{ $ref: '#/$defs/A' }, { $ref: '#/$defs/B' }],
      $defs: {
        A: { type: 'object', properties: { k: { const: 'a', type: 'string' } }, required: ['k'] },
        B: {
          type: 'object',
          properties: { k: { const: 'b', type: 'string' }, n: { type: 'integer' } },
          required: ['k', 'n'],
        },
      },
    },
    [{ k: 'a' }, { k: 'b', n: 1 }],
    [{ k: 'b' }, { k: 'c' }],
  ],
  [
    'annotations',
    {
      type: 'string',
      'x-order': 1,
      nullable: true,
      examples: ['a'],
      contentEncoding: 'base64',
      contentSchema: {},
      externalDocs: {},
      xml: {},
    },
    ['a'],
    [1],
  ],
  [
    '$ref beside others',
    { $ref: '#/$defs/n', minimum: 3, $defs: { n: { type: 'integer', maximum: 5 } } },
    [3, 5],
    [2, 6, 3.5],
  ],
  [
    'allOf of objects',
    {
      allOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        { properties: { a: { maxLength: 2 }, b: { type: 'null' } } },
      ],
    },
    [{ a: 'x' }, { a: 'xy', b: null }],
    [{ a: 'xyz' }, { b: null }],
  ],
  [
    'anyOf beside others',
    {
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'integer' } },
      anyOf: [{ required: ['a'] }, { required: ['b'] }],
    },
    [{ a: 1 }, { b: 1 }, { a: 1, b: 2 }],
    [{}, { a: 'x' }],
  ],
  ['enum beside others', { enum: ['a', 'abc', 3], minLength: 2 }, ['abc', 3], ['a']],
  ['not', { type: 'string', not: { enum: ['a', 'b'] }, maxLength: 1 }, ['c', ''], ['a', 'b', 'cc']],
  [
    'not a property',
    { type: 'object', properties: { a: { type: 'integer' }, b: true }, not: { required: ['a', 'b'] } },
    [{ a: 1 }, { b: 1 }, {}],
    [{ a: 1, b: 1 }],
  ],
  [
    'if, then, else',
    {
      type: 'object',
      properties: { k: { enum: ['n', 's'] }, v: true },
      required: ['k', 'v'],
      if: { properties: { k: { const: 'n' } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { properties: { v: { type: 'number' } } },
      else: { properties: { v: { type: 'string' } } },
    },
    [
      { k: 'n', v: 1 },
      { k: 's', v: 'x' },
    ],
    [
      { k: 'n', v: 'x' },
      { k: 's', v: 1 },
    ],
  ],
  [
    'dependentRequired',
    { type: 'object', properties: { a: true, b: true }, dependentRequired: { a: ['b'] } },
    [{}, { b: 1 }, { a: 1, b: 1 }],
    [{ a: 1 }],
  ],
  [
    'oneOf that overlaps',
    {
      oneOf: [
        { type: 'integer', minimum: 0, maximum: 10 },
        { type: 'integer', minimum: 5 },
      ],
    },
    [0, 4, 11],
    [5, 10, -1],
  ],
  [
    'bounds by booleans',
    { type: 'integer', minimum: 0, exclusiveMinimum: true, maximum: 3, exclusiveMaximum: false },
    [1, 3],
    [0, 4],
  ],
  ['int32', { type: 'integer', format: 'int32' }, [2147483647, -2147483648], [2147483648]],
  [
    'unevaluatedProperties',
    { type: 'object', properties: { a: true }, unevaluatedProperties: false },
    [{ a: 1 }],
    [{ b: 1 }],
  ],
];

test.each(accepted)('%s', (_, schema, fitting, others) => {
  const accepts = acceptor({ kind: 'json-schema', schema });
  for (const value of fitting) expect(accepts(JSON.stringify(value)), JSON.stringify(value)).toBe(true);
  for (const value of others) expect(accepts(JSON.stringify(value)), JSON.stringify(value)).toBe(false);
  const isOld = /"items":\[|Minimum":true/.test(JSON.stringify(schema));
  const isValid = isOld ? () => true : validatorOf(schema);
  expect(checkTexts(schema, isValid)).toBeGreaterThan(1);
});

describe('random schemas', () => {
  const pattern = fc.constantFrom('^a', 'b', '^[ab]*$', 'c$', '^.{0,2}$', '(?=.*b)a', '^(?!a)');
  const small = fc.integer({ min: 0, max: 4 });
  const string = fc.record(
    { type: fc.constant('string'), pattern, minLength: small, maxLength: fc.integer({ min: 4, max: 6 }) },
    { requiredKeys: ['type'] },
  );
  const integer = fc.record(
    {
      type: fc.constant('integer'),
      minimum: fc.integer({ min: -5, max: 3 }),
      maximum: fc.integer({ min: 3, max: 30 }),
      multipleOf: fc.constantFrom(1, 2, 3, 7, 0.5),
    },
    { requiredKeys: ['type'] },
  );
  const constant = fc.record({
    enum: fc.uniqueArray(fc.constantFrom('a', 'ab', 1, 2, null, true), { minLength: 1 }),
  });
  const { schema } = fc.letrec<{ schema: object; object: object }>((tie) => ({
    schema: fc.oneof(
      { maxDepth: 3 },
      string,
      integer,
      constant,
      fc.record({ allOf: fc.tuple(tie('schema'), tie('schema')) }),
      fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
      fc.record(
        { type: fc.constant('array'), items: tie('schema'), minItems: small, uniqueItems: fc.boolean() },
        { requiredKeys: ['type', 'items'] },
      ),
      tie('object'),
    ),
    object: fc.record(
      {
        type: fc.constant('object'),
        properties: fc.dictionary(fc.constantFrom('a', 'b', 'ab'), tie('schema'), { maxKeys: 3 }),
        required: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')),
        patternProperties: fc.dictionary(fc.constantFrom('^a', 'b$'), tie('schema'), { maxKeys: 2 }),
        additionalProperties: fc.oneof(fc.boolean(), tie('schema')),
        propertyNames: fc.oneof(string, constant),
        not: fc.oneof(string, constant, fc.record({ required: fc.constantFrom(['a'], ['a', 'b']) })),
      },
      { requiredKeys: ['type'] },
    ),
  }));

  test('whatever is generated is valid', () => {
    let ended = 0;
    fc.assert(
      fc.property(schema, (each) => {
        try {
          ended += checkTexts(each, validatorOf(each));
        } catch (error) {
          // Refused by name, or nothing fits.
          if (!(error instanceof InputError)) throw error;
        }
      }),
      { numRuns: isLongSuite ? 150 : 50 },
    );
    expect(ended).toBeGreaterThan(isLongSuite ? 200 : 60);
  });

  test('whatever is a valid string or number is accepted', () => {
    const value = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'b', 'c', '世'), maxLength: 6 }),
      fc.integer({ min: -10, max: 40 }),
    );
    const scalar = fc.oneof(
      string,
      integer,
      constant,
      fc.record({ allOf: fc.tuple(string, string) }),
      fc.record({ type: fc.constant('integer'), allOf: fc.tuple(integer, integer) }),
      string.map((not) => ({ type: 'string', not })),
    );
    fc.assert(
      fc.property(scalar, fc.array(value, { minLength: 5, maxLength: 20 }), (each, values) => {
        const isValid = validatorOf(each);
        let accepts: (text: string) => boolean;
        try {
          accepts = acceptor({ kind: 'json-schema', schema: each });
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          accepts = () => false;
        }
        for (const one of values)
          expect(accepts(JSON.stringify(one)), `${JSON.stringify(each)}: ${JSON.stringify(one)}`).toBe(
            isValid(one),
          );
      }),
      { numRuns: 200 },
    );
  });
});
