import { expect, test } from 'vitest';
import { acceptor } from '../../../../tests/support/grammars/accepts.js';
import { relocateReferences, schemaPath } from './relocate-references.js';

test('a schema with definitions of its own keeps its meaning within another', () => {
  const schema = {
    type: 'object',
    properties: {
      to: { $ref: '#/$defs/place' },
      $ref: { enum: ['#', '#/$defs/place'] },
      via: { type: 'array', items: { anyOf: [{ $ref: '#/$defs/place' }, { $ref: '#' }] } },
    },
    required: ['to'],
    $defs: { place: { const: '北京' } },
  };
  const inner = (index: number) =>
    relocateReferences(schema, schemaPath('anyOf', index, 'properties', 'a/b'));
  const outer = {
    anyOf: [0, 1].map((index) => ({
      type: 'object',
      properties: { 'a/b': inner(index) },
      required: ['a/b'],
    })),
  };
  const accepts = acceptor({ kind: 'json-schema', schema: outer });
  const fitting = { 'a/b': { to: '北京', $ref: '#', via: ['北京', { to: '北京' }] } };
  expect(accepts(JSON.stringify(fitting))).toBe(true);
  expect(accepts(JSON.stringify({ 'a/b': { to: '上海' } }))).toBe(false);
  // As it stands, its references would point elsewhere.
  expect(() => acceptor({ kind: 'json-schema', schema: { properties: { a: schema } } })).toThrow(
    'points at nothing',
  );
});

test('what is no schema stays as it is', () => {
  const schema = {
    const: { $ref: '#' },
    enum: [{ $ref: '#' }],
    default: { $ref: '#' },
    $ref: 'https://example.com',
  };
  expect(relocateReferences(schema, '#/x')).toEqual(schema);
  expect(relocateReferences(true, '#/x')).toBe(true);
});
