import { describe, expect, test } from 'vitest';
import { acceptor } from '../../../../tests/support/grammars/accepts.js';
import { InputError } from '../../../errors/index.js';
import { HONOURED_KEYWORDS } from './schema-keywords.js';
import { STRING_FORMATS } from './string-formats.js';

const ofSchema = (schema: unknown) => acceptor({ kind: 'json-schema', schema });

const tree = {
  $ref: '#/$defs/node',
  $defs: {
    node: {
      type: 'object',
      properties: {
        value: { type: 'integer' },
        children: { type: 'array', items: { $ref: '#/$defs/node' } },
      },
      required: ['value', 'children'],
    },
  },
};

test.each<[name: string, schema: unknown, fitting: unknown[], others: unknown[]]>([
  ['true', true, [1, 'a', null, [[]], { a: {} }], []],
  ['type', { type: 'string' }, ['', 'a"\\\n世😀'], [1, null]],
  ['several types', { type: ['string', 'null'], minLength: 1 }, ['a', null], ['', 1]],
  ['type boolean', { type: 'boolean' }, [true, false], [null, 0]],
  ['without type, what the keywords concern', { minLength: 2 }, ['ab'], ['a']],
  [
    'minLength, maxLength',
    { type: 'string', minLength: 2, maxLength: 3 },
    ['ab', '世界😀', '"\n'],
    ['a', 'abcd'],
  ],
  ['pattern anywhere', { type: 'string', pattern: 'b+' }, ['b', 'abba', '"b\n'], ['a', '']],
  ['pattern anchored', { type: 'string', pattern: '^a|z$' }, ['abc', 'xyz', 'a'], ['bc', 'za-']],
  [
    'pattern of characters that are escaped',
    { type: 'string', pattern: '^["\\\\\\n\\x01]+$' },
    ['"\\\n\u0001'],
    ['a', ''],
  ],
  ['enum', { enum: ['a', 1, null, { x: [1, 2] }] }, ['a', 1, null, { x: [1, 2] }], ['b', 2, { x: [1] }, {}]],
  ['enum with type', { type: 'string', enum: ['a', 'ab', 3] }, ['a', 'ab'], [3, 'b']],
  ['const', { const: 'x"y' }, ['x"y'], ['x']],
  ['items', { type: 'array', items: { type: 'boolean' } }, [[], [true], [true, false]], [[1], {}]],
  [
    'minItems, maxItems',
    { type: 'array', items: true, minItems: 1, maxItems: 2 },
    [[1], [1, 'a']],
    [[], [1, 2, 3]],
  ],
  ['maxItems 0', { type: 'array', maxItems: 0 }, [[]], [[1]]],
  [
    'prefixItems',
    { type: 'array', prefixItems: [{ const: 1 }, { const: 2 }], items: false },
    [[], [1], [1, 2]],
    [[2], [1, 2, 3]],
  ],
  [
    'prefixItems and items',
    { prefixItems: [{ const: 1 }], items: { const: 'x' }, minItems: 2, maxItems: 3 },
    [
      [1, 'x'],
      [1, 'x', 'x'],
    ],
    [[1], [1, 1], [1, 'x', 'x', 'x']],
  ],
  ['uniqueItems false', { type: 'array', uniqueItems: false }, [[1, 1]], [{}]],
  [
    'properties, required',
    { type: 'object', properties: { a: { const: 1 }, b: { const: 2 }, c: { const: 3 } }, required: ['b'] },
    [{ a: 1, b: 2, c: 3 }, { b: 2 }, { a: 1, b: 2 }, { b: 2, c: 3 }],
    [{}, { a: 1, c: 3 }, { b: 2, d: 4 }, { b: 1 }],
  ],
  [
    'optional properties only',
    { properties: { a: { const: 1 }, b: { const: 2 } } },
    [{}, { a: 1 }, { b: 2 }, { a: 1, b: 2 }],
    [{ c: 1 }],
  ],
  [
    'required that properties do not name',
    { type: 'object', required: ['x"'] },
    [{ 'x"': [1] }],
    [{}, { y: 1 }],
  ],
  ['any object', { type: 'object' }, [{}, { a: { b: [1] } }], [[]]],
  ['additionalProperties false', { type: 'object', additionalProperties: false }, [{}], [{ a: 1 }]],
  [
    'additionalProperties',
    { type: 'object', additionalProperties: { type: 'integer' } },
    [{}, { a: 1, 世: 2 }],
    [{ a: 'x' }],
  ],
  [
    'additionalProperties beside properties',
    {
      type: 'object',
      properties: { name: { type: 'string' }, 'n"': { const: 0 } },
      additionalProperties: { type: 'integer' },
    },
    [{ name: 'x' }, { name: 'x', other: 1 }, { nam: 1, names: 2, 'n\\': 3, '': 4, 'n"a': 1 }, {}],
    [{ name: 1 }, { other: 'x' }, { 'n"': 1 }],
  ],
  ['anyOf', { anyOf: [{ type: 'integer' }, { type: 'null' }] }, [1, null], ['a']],
  ['oneOf by type', { oneOf: [{ type: 'integer' }, { type: 'string' }] }, [1, 'a'], [null]],
  [
    'oneOf by tag',
    {
      oneOf: [
        {
          type: 'object',
          properties: { kind: { const: 'a' }, x: { type: 'integer' } },
          required: ['kind', 'x'],
        },
        { type: 'object', properties: { kind: { enum: ['b', 'c'] } }, required: ['kind'] },
      ],
    },
    [{ kind: 'a', x: 1 }, { kind: 'c' }],
    [{ kind: 'a' }, { kind: 'd' }],
  ],
  ['allOf with one', { allOf: [{ type: 'null' }] }, [null], [1]],
  [
    '$ref that recurs',
    tree,
    [{ value: 1, children: [{ value: 2, children: [] }] }],
    [{ value: 1 }, { value: 1, children: [1] }],
  ],
  [
    '$ref to the root and into it',
    {
      type: 'object',
      properties: { 'a/b': { const: 1 }, n: { $ref: '#/properties/a~1b' }, r: { $ref: '#' } },
    },
    [{ n: 1, r: { n: 1 } }],
    [{ n: 2 }],
  ],
  [
    'annotations',
    {
      $schema: 's',
      $id: 'i',
      title: 't',
      description: 'd',
      default: 1,
      examples: [],
      $comment: 'c',
      deprecated: true,
      type: 'null',
    },
    [null],
    [1],
  ],
])('%s', (_, schema, fitting, others) => {
  const accepts = ofSchema(schema);
  for (const value of fitting) expect(accepts(JSON.stringify(value)), JSON.stringify(value)).toBe(true);
  for (const value of others) expect(accepts(JSON.stringify(value)), JSON.stringify(value)).toBe(false);
});

test('the keywords that are honoured', () => {
  expect([...HONOURED_KEYWORDS].sort()).toMatchInlineSnapshot(`
    [
      "$defs",
      "$ref",
      "additionalItems",
      "additionalProperties",
      "allOf",
      "anyOf",
      "const",
      "definitions",
      "dependencies",
      "dependentRequired",
      "dependentSchemas",
      "else",
      "enum",
      "exclusiveMaximum",
      "exclusiveMinimum",
      "format",
      "if",
      "items",
      "maxItems",
      "maxLength",
      "maxProperties",
      "maximum",
      "minItems",
      "minLength",
      "minProperties",
      "minimum",
      "multipleOf",
      "not",
      "oneOf",
      "pattern",
      "patternProperties",
      "prefixItems",
      "properties",
      "propertyNames",
      "required",
      "then",
      "type",
      "unevaluatedItems",
      "unevaluatedProperties",
      "uniqueItems",
    ]
  `);
});

test('one space after a comma or a colon, no other white space', () => {
  const accepts = acceptor({ kind: 'json' });
  for (const text of ['{}', '{"a": 1, "b":[1, 2]}']) expect(accepts(text), text).toBe(true);
  for (const text of [
    '{ }',
    ' {}',
    '{}\n',
    '{"a":  1}',
    '{"a" :1}',
    '{"a":\t1}',
    '{"a":[1,\n2]}',
    '[]',
    '1',
  ]) {
    expect(accepts(text), text).toBe(false);
  }
});

test('strings are those of JSON', () => {
  const accepts = ofSchema({ type: 'string' });
  for (const text of ['"\\u00e9\\ud83d\\ude00\\/"', '"\\uD83D\\uDE00"', '"\u007f"'])
    expect(accepts(text), text).toBe(true);
  for (const text of [
    '"\n"',
    '"\t"',
    '"\\x"',
    '"\\u12"',
    '"a',
    '"\\ud83d"',
    '"\\ude00"',
    '"\u0000"',
    "'a'",
  ]) {
    expect(accepts(text), text).toBe(false);
  }
  // An escaped pair of surrogates is one character.
  expect(ofSchema({ type: 'string', maxLength: 1 })('"\\ud83d\\ude00"')).toBe(true);
});

test.each([
  [
    'date',
    ['2024-02-29', '2000-02-29', '2023-12-31'],
    ['2023-02-29', '1900-02-29', '2024-04-31', '2024-13-01', '2024-1-1'],
  ],
  ['time', ['23:59:59Z', '00:00:00.123+08:00'], ['24:00:00Z', '12:00:00']],
  ['date-time', ['2024-02-29T12:00:00Z'], ['2024-02-30T12:00:00Z', '2024-02-29 12:00:00Z']],
  ['email', ['a.b@example.com'], ['a@', 'a b@c.d', '@c.d']],
  ['hostname', ['a-b.example'], ['-a', 'a..b', 'a_b']],
  ['ipv4', ['192.168.0.1', '255.255.255.255'], ['256.1.1.1', '01.1.1.1', '1.1.1']],
  ['ipv6', ['2001:0db8:0000:0000:0000:ff00:0042:8329'], ['2001:db8', 'g:0:0:0:0:0:0:0']],
  ['uuid', ['123e4567-e89b-12d3-a456-426614174000'], ['123e4567e89b12d3a456426614174000']],
] as const)('format %s', (format, fitting, others) => {
  const accepts = ofSchema({ type: 'string', format });
  for (const text of fitting) expect(accepts(JSON.stringify(text)), text).toBe(true);
  for (const text of others) expect(accepts(JSON.stringify(text)), text).toBe(false);
  expect([...STRING_FORMATS.keys()]).toContain(format);
});

describe('refused with the place', () => {
  const property = (schema: object) => ({ type: 'object', properties: { 'a/ge': schema } });

  test.each([
    'contains',
    'minContains',
    'maxContains',
    '$anchor',
    '$dynamicRef',
    '$dynamicAnchor',
    '$recursiveRef',
    'maxlength',
    'extends',
    'divisibleBy',
    '$id',
  ])('%s', (keyword) => {
    expect(() => ofSchema(property({ [keyword]: 1 }))).toThrow(InputError);
    expect(() => ofSchema(property({ [keyword]: 1 }))).toThrow(
      `at #/properties/a~1ge/${keyword}: the keyword "${keyword}" is not supported`,
    );
  });

  test.each([
    [
      property({ type: 'array', uniqueItems: true }),
      '#/properties/a~1ge/uniqueItems: the keyword "uniqueItems"',
    ],
    [{ type: 'array', items: { type: 'string' }, uniqueItems: true, maxItems: 3 }, '#/uniqueItems'],
    [
      { anyOf: [true, { items: { multipleOf: 0 } }] },
      '#/anyOf/1/items/multipleOf: expected a number above 0',
    ],
    [{ type: 'integer', multipleOf: 123_456_789 }, '#/multipleOf: the keyword "multipleOf"'],
    [{ type: 'integer', multipleOf: 1e-300 }, '#/multipleOf: at most 12 digits'],
    [
      { $ref: '#/$defs/x', $defs: { x: { not: { items: { type: 'null' } } } } },
      '#/$defs/x/not: the keyword "not"',
    ],
    [
      { type: 'object', additionalProperties: true, minProperties: 2 },
      '#/minProperties: the keyword "minProperties"',
    ],
    [{ allOf: [true], unevaluatedProperties: false }, '#/unevaluatedProperties'],
    [
      { type: 'object', propertyNames: { contains: 1 }, additionalProperties: true },
      '#/propertyNames/contains',
    ],
    [{ if: { uniqueItems: true }, else: {} }, '#/if: the keyword "if"'],
    [
      { type: 'string', pattern: '^[a-z]{50}(ab|c)+$', maxLength: 1_000_000 },
      '#/maxLength: the keyword "maxLength"',
    ],
    [{ type: 'string', pattern: '^(?<=a)b' }, '#/pattern: the pattern has a look-behind at character 2'],
    [
      { type: 'string', format: 'emoji' },
      '#/format: the format "emoji" is not supported without the pattern',
    ],
    [
      { type: 'integer', format: 'unix-time' },
      '#/format: the format "unix-time" is not supported for numbers',
    ],
    [{ $ref: '#/$defs/y' }, '#/$ref: "#/$defs/y" points at nothing'],
    [{ $ref: 'https://example.com/schema' }, '#/$ref: "https://example.com/schema" points at nothing'],
    [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, '#/oneOf: the keyword "oneOf"'],
    [{ type: 'string', format: 'color' }, '#/format: the format "color" is not supported'],
    [{ type: 'text' }, '#/type: expected'],
    [{ type: 'string', minLength: -1 }, '#/minLength: expected a whole number'],
    [{ type: 'string', minLength: '1' }, '#/minLength: expected a number'],
    [{ type: 'string', minLength: 3, maxLength: 2 }, '#/minLength: 3 is more than maxLength'],
    [{ type: 'number', minimum: 1e300 }, '#/minimum: numbers this far from 0'],
    [{ type: 'number', exclusiveMinimum: true }, '#/exclusiveMinimum: expected a number'],
    [{ enum: [] }, '#/enum: expected a list'],
    [{ type: 'string', enum: [1] }, '#/enum: no value'],
    [{ properties: { a: 1 } }, '#/properties/a: expected a schema'],
    [{ required: [1] }, '#/required: expected names'],
    [{ type: 'object', required: ['a'], additionalProperties: false }, '#/required: "a" is required but'],
    [undefined, '#: expected a schema'],
    ['{}', '#: expected a schema'],
  ])('%j', (schema, message) => {
    expect(() => ofSchema(schema)).toThrow(InputError);
    expect(() => ofSchema(schema)).toThrow(message);
  });

  test.each([
    ['false', false],
    ['bounds that cross', { type: 'integer', minimum: 2, maximum: 1 }],
    ['no end', { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] }],
    ['a reference to itself', { $ref: '#' }],
    ['never', { not: {} }],
    ['types that exclude each other', { allOf: [{ type: 'string' }, { type: 'null' }] }],
    ['a required property that is forbidden', { type: 'object', properties: { a: false }, required: ['a'] }],
    [
      'references in a circle',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
    ],
  ])('%s: nothing ends', (_, schema) => {
    expect(() => ofSchema(schema)).toThrow('no text that ends');
  });
});

describe('attacks are refused or bounded', () => {
  // Each takes well under a second here; the limit leaves room for a machine under load.
  const limit = 10_000;

  const timed = <Result>(work: () => Result): Result => {
    const start = performance.now();
    const result = work();
    expect(performance.now() - start).toBeLessThan(limit);
    return result;
  };

  test('a schema nested deeper than any reader', () => {
    let schema: object = {};
    for (let depth = 0; depth < 3000; depth++) schema = { items: schema };
    expect(() => timed(() => ofSchema(schema))).toThrow('nested more than 100 deep');
  });

  test('an enum of thousands', () => {
    const values = Array.from({ length: 4000 }, (_, index) => `选择${index * 7919}`);
    const accepts = timed(() => ofSchema({ enum: values }));
    expect(accepts(JSON.stringify(values[3999]))).toBe(true);
    expect(accepts('"选择1"')).toBe(false);
  });

  test('a thousand optional properties', () => {
    const names = Array.from({ length: 1000 }, (_, index) => `property${index}`);
    const properties = Object.fromEntries(names.map((name) => [name, { type: 'boolean' }]));
    const accepts = timed(() => ofSchema({ type: 'object', properties, additionalProperties: true }));
    timed(() => {
      expect(accepts('{"property0":true,"property999":false,"other":[]}')).toBe(true);
      expect(accepts('{"property999":true,"property0":false}')).toBe(false);
    });
  });

  test('a long chain and a wide net of references', () => {
    const count = 1500;
    const chain = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`d${index}`, { $ref: `#/$defs/d${index + 1}` }]),
    );
    expect(
      timed(() => ofSchema({ $ref: '#/$defs/d0', $defs: { ...chain, [`d${count}`]: { type: 'null' } } }))(
        'null',
      ),
    ).toBe(true);
    const net = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [
        `d${index}`,
        { anyOf: Array.from({ length: 20 }, (_, other) => ({ $ref: `#/$defs/d${other}` })).concat() },
      ]),
    );
    expect(() => timed(() => ofSchema({ $ref: '#/$defs/d0', $defs: net }))).toThrow('no text that ends');
  });

  test('counts within counts', () => {
    let schema: object = { type: 'string', maxLength: 1_000_000 };
    for (let depth = 0; depth < 20; depth++) schema = { type: 'array', items: schema, maxItems: 1000 };
    const accepts = timed(() => ofSchema(schema));
    expect(timed(() => accepts(`${'['.repeat(20)}"${'a'.repeat(20_000)}"${']'.repeat(20)}`))).toBe(true);
  });

  test('values nested thousands deep', () => {
    const accepts = acceptor({ kind: 'json' });
    expect(timed(() => accepts(`{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`))).toBe(true);
    expect(accepts(`{"a":${'['.repeat(20_000)}${']'.repeat(19_999)}}`)).toBe(false);
  });
});
