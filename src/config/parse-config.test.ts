import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { InputError, messageOf } from '../errors/index.js';
import { parseConfig } from './index.js';

const optimizer = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('adamw'), learningRate: z.number().positive() }),
  z.strictObject({ type: z.literal('sgd'), momentum: z.number() }),
]);
const schema = z.strictObject({
  hiddenSize: z.int().positive(),
  name: z.string().min(1).default('demo'),
  dtype: z.enum(['float32', 'bfloat16']).default('float32'),
  optimizer: optimizer.optional(),
  stages: z.array(z.strictObject({ numSteps: z.int().multipleOf(4) })).default([]),
  stop: z.union([z.number(), z.string()]).optional(),
  data: z.union([z.string(), z.strictObject({ path: z.string(), weight: z.number() })]).optional(),
});

function problems(value: unknown): string[] {
  try {
    parseConfig(schema, value, { source: 'run.yaml' });
  } catch (error) {
    expect(error, messageOf(error)).toBeInstanceOf(InputError);
    return messageOf(error).split('\n');
  }
  throw new Error('the value was accepted');
}

describe('parseConfig', () => {
  it('says what a rule found, but not of a whole mapping', () => {
    const rules = z.strictObject({
      size: z.number().refine((size) => size % 2 === 0, { message: 'must be even' }),
      pair: z.strictObject({ a: z.number() }).refine(({ a }) => a > 0, { message: 'a must win' }),
    });
    const parse = () => parseConfig(rules, { size: 3, pair: { a: 0 } }, { source: 'run.yaml' });
    expect(parse).toThrow(/^run\.yaml: size: must be even \(got 3\)\nrun\.yaml: pair: a must win$/);
  });

  it('fills in defaults', () => {
    expect(parseConfig(schema, { hiddenSize: 64 }, { source: 'run.yaml' })).toEqual({
      hiddenSize: 64,
      name: 'demo',
      dtype: 'float32',
      stages: [],
    });
  });

  it.each<[string, unknown, string[]]>([
    ['not a mapping', 3, ['run.yaml: expected a mapping, got 3']],
    ['missing', {}, ['run.yaml: hiddenSize: missing; expected a number']],
    ['wrong type', { hiddenSize: 'x' }, ['run.yaml: hiddenSize: expected a number, got "x"']],
    ['no integer', { hiddenSize: 1.5 }, ['run.yaml: hiddenSize: expected an integer, got 1.5']],
    ['out of range', { hiddenSize: -1 }, ['run.yaml: hiddenSize: expected more than 0, got -1']],
    ['not a number', { hiddenSize: Number.NaN }, ['run.yaml: hiddenSize: expected a number, got NaN']],
    [
      'several at once',
      { hiddenSize: 8, name: '', dtype: 'fp32' },
      [
        'run.yaml: name: expected a length of at least 1 characters, got ""',
        'run.yaml: dtype: expected one of "float32", "bfloat16", got "fp32"',
      ],
    ],
    [
      'misspelt key',
      { hiddenSize: 8, stages: [{ numSteps: 4 }, { numStpes: 4 }] },
      [
        'run.yaml: stages.1.numSteps: missing; expected a number',
        'run.yaml: stages.1.numStpes: unknown key. Did you mean `numSteps`?',
      ],
    ],
    [
      'unknown key',
      { hiddenSize: 8, stages: [{ numSteps: 4, colour: 1 }] },
      ['run.yaml: stages.0.colour: unknown key; remove it. Known keys: numSteps.'],
    ],
    [
      'multiple',
      { hiddenSize: 8, stages: [{ numSteps: 3 }] },
      ['run.yaml: stages.0.numSteps: expected a multiple of 4, got 3'],
    ],
    ['union', { hiddenSize: 8, stop: true }, ['run.yaml: stop: expected a number or a text, got true']],
    [
      'inside a union',
      { hiddenSize: 8, data: { path: 'a', wieght: 1 } },
      [
        'run.yaml: data.weight: missing; expected a number',
        'run.yaml: data.wieght: unknown key. Did you mean `weight`?',
      ],
    ],
    [
      'discriminator',
      { hiddenSize: 8, optimizer: { type: 'adam', learningRate: 1 } },
      ['run.yaml: optimizer.type: expected one of "adamw", "sgd", got "adam"'],
    ],
    [
      'inside a discriminated union',
      { hiddenSize: 8, optimizer: { type: 'sgd', momentun: 1 } },
      [
        'run.yaml: optimizer.momentum: missing; expected a number',
        'run.yaml: optimizer.momentun: unknown key. Did you mean `momentum`?',
      ],
    ],
  ])('explains: %s', (_, value, expected) => {
    expect(problems(value)).toEqual(expected);
  });
});

it("gives the words of a schema's author, whatever the schema is", () => {
  const own = 'only the whole of it';
  const schema = z.strictObject({
    literal: z.literal(1, { error: own }).optional(),
    nothing: z.null({ error: own }).optional(),
    kind: z.enum(['a', 'b'], { error: own }).optional(),
    number: z.number({ error: own }).optional(),
    range: z.number().min(3, own).optional(),
    pattern: z.string().regex(/^a/, own).optional(),
    alternatives: z.union([z.literal(1, { error: own }), z.string()]).optional(),
    union: z.union([z.number(), z.string()], { error: own }).optional(),
    list: z.array(z.number()).min(1, own).optional(),
    never: z.never({ error: own }).optional(),
  });
  const given = {
    literal: 2,
    nothing: 'x',
    kind: 'c',
    number: 'x',
    range: 1,
    pattern: 'b',
    alternatives: 2,
    union: true,
    never: 5,
  };
  for (const [key, value] of Object.entries(given))
    expect(() => parseConfig(schema, { [key]: value }, { source: 'run.yaml' }), key).toThrow(
      `run.yaml: ${key}: ${own} (got ${JSON.stringify(value)})`,
    );
  expect(() => parseConfig(schema, { list: [] }, { source: 'run.yaml' })).toThrow(`run.yaml: list: ${own}`);
});
