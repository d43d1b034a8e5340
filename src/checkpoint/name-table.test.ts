import { expect, test } from 'vitest';
import { NameTable } from './name-table.js';

const names = new NameTable(
  [
    ['model.embed.weight', 'embed.weight'],
    ['model.h.{i}.q.weight', 'layers.{i}.query.weight'],
  ],
  { skip: ['model.h.{i}.inv_freq', '*.mask'], optionalPrefix: 'model.' },
);

test('published names to ours and back, the layer number kept', () => {
  for (const [published, path] of [
    ['model.embed.weight', 'embed.weight'],
    ['model.h.0.q.weight', 'layers.0.query.weight'],
    ['model.h.37.q.weight', 'layers.37.query.weight'],
  ] as const) {
    expect(names.fromPublished(published)).toBe(path);
    expect(names.toPublished(path)).toBe(published);
  }
});

test('the prefix may be left away', () => {
  expect(names.fromPublished('h.3.q.weight')).toBe('layers.3.query.weight');
  expect(names.fromPublished('h.3.inv_freq')).toBe('skip');
});

test('buffers are skipped, other names are unknown', () => {
  expect(names.fromPublished('model.h.1.inv_freq')).toBe('skip');
  expect(names.fromPublished('anything.else.mask')).toBe('skip');
  expect(names.fromPublished('model.h.1.k.weight')).toBeUndefined();
  expect(names.fromPublished('model.h.x.q.weight')).toBeUndefined();
  expect(names.fromPublished('model.model.embed.weight')).toBeUndefined();
  expect(() => names.toPublished('layers.0.key.weight')).toThrow('layers.0.key.weight');
});
