import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { orderedObject, orderKeys, parseOrderedJson } from './key-order.js';

describe('parseOrderedJson', () => {
  test.each([
    '{"10":1,"2":2}',
    '{"b":1,"10":2,"a":3,"2":4}',
    '[{"10":1,"2":2},{"2":1,"10":2},[{"1":{"b":1,"0":2}}]]',
    '{"1":{"1":{"10":[],"9":[{"8":1,"7":2}]},"0":0}}',
    '{"properties":{"10":{"type":"string"},"2":{"enum":["10","2"]},"a":{}},"required":["2"]}',
    '{"4294967295":1,"4294967294":2,"0":3}',
    '{"__proto__":{"10":1,"2":2},"10":{"constructor":{"3":1,"1":2}},"2":0}',
    '{"10":"{\\"10\\":1,\\"2\\":2}","2":"\\\\","1":"\\\\\\""}',
    '{"a":"\\"10\\":","10":1,"2":"}]{["}',
    '{"":1,"10":2,"01":3,"1":4}',
    '"10"',
    '[]',
    '{}',
  ])('%s is written as it was read', (json) => {
    expect(JSON.stringify(parseOrderedJson(json))).toBe(json);
  });

  test('escaped digits of a key, and white space', () => {
    const value = parseOrderedJson(' { "\\u0031\\u0030" : [ 1 ] ,\n "2" : 3 } ');
    expect(JSON.stringify(value)).toBe('{"10":[1],"2":3}');
  });

  test('a key that stands twice keeps its first place and its last value', () => {
    expect(JSON.stringify(parseOrderedJson('{"10":1,"2":2,"10":3}'))).toBe('{"10":3,"2":2}');
    const json =
      '{"a":{"10":1,"2":2},"b":{"2":1,"1":2},"a":{"2":1,"10":2},"b":[{"constructor":1,"10":{"3":1,"1":2},"2":4}]}';
    expect(JSON.stringify(parseOrderedJson(json))).toBe(
      '{"a":{"2":1,"10":2},"b":[{"constructor":1,"10":{"3":1,"1":2},"2":4}]}',
    );
    const inherited = '{"a":{"__proto__":{"10":1,"2":1},"constructor":{"10":1,"2":1}},"a":{"b":1}}';
    expect(JSON.stringify(parseOrderedJson(inherited))).toBe('{"a":{"b":1}}');
    expect(Object.keys({})).toEqual([]);
  });

  test('entries, keys and spreads go in that order; equality does not', () => {
    const value = parseOrderedJson('{"10":1,"2":{"b":1}}');
    expect(Object.entries(value ?? {})).toEqual([
      ['10', 1],
      ['2', { b: 1 }],
    ]);
    expect(value).toEqual({ 2: { b: 1 }, 10: 1 });
  });

  test('wrong JSON is refused as JSON.parse refuses it', () => {
    expect(() => parseOrderedJson('{"10":1,"2"}')).toThrow(SyntaxError);
  });

  const key = fc.oneof(fc.nat(20).map(String), fc.constantFrom('', 'a', '__proto__', '-1', '01', '"', '\\'));
  const { json: anyJson } = fc.letrec<{ json: string }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 4 },
      fc
        .oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
        .map((leaf) => JSON.stringify(leaf)),
      fc.array(tie('json'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
      fc
        .uniqueArray(fc.tuple(key, tie('json')), { maxLength: 5, selector: ([name]) => name })
        .map(
          (members) => `{${members.map(([name, member]) => `${JSON.stringify(name)}:${member}`).join(',')}}`,
        ),
    ),
  }));

  test('any JSON is written as it was read', () => {
    fc.assert(
      fc.property(anyJson, (json) => {
        expect(JSON.stringify(parseOrderedJson(json))).toBe(json);
        expect(parseOrderedJson(json)).toEqual(JSON.parse(json));
      }),
    );
  });
});

test('orderedObject: the order of the entries', () => {
  expect(
    JSON.stringify(
      orderedObject([
        ['10', 1],
        ['2', 2],
      ]),
    ),
  ).toBe('{"10":1,"2":2}');
  expect(
    JSON.stringify(
      orderedObject([
        ['10', 1],
        ['2', 2],
        ['10', 3],
      ]),
    ),
  ).toBe('{"10":3,"2":2}');
  expect(Object.getPrototypeOf(orderedObject([['__proto__', 1]]))).toBe(Object.prototype);
});

test('long texts are gone over in turns', () => {
  const json = `{"10":"${'x'.repeat(300_000)}","2":[${Array(300_000).fill(1).join()}]}`;
  const turns = orderKeys(JSON.parse(json), json);
  let count = 0;
  let last = turns.next();
  for (; last.done !== true; last = turns.next()) count += 1;
  expect(count).toBeGreaterThan(4);
  expect(JSON.stringify(last.value)).toBe(json);
});
