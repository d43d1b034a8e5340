import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { InputError, messageOf } from '../errors/index.js';
import { applyOverrides, parseConfig } from './index.js';
import { parseStrictJson } from './json.js';
import { parseYaml } from './yaml.js';

function refusesByInputError(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
}

const fragment = fc.constantFrom(
  ...[
    'a',
    'b',
    ': ',
    ':',
    '- ',
    '? ',
    '\n',
    '\n  ',
    '\t',
    '[',
    ']',
    '{',
    '}',
    ',',
    '"',
    "'",
    '|\n',
    '>\n',
    '#',
  ],
  ...[
    '&a ',
    '*a',
    '<<: ',
    '!!str ',
    '!x ',
    '%YAML 1.1\n',
    '---\n',
    '...\n',
    '1e-5',
    '~',
    '\\',
    '\u0000',
    '星',
    '@',
  ],
);

describe('fuzz: configuration texts', () => {
  it('YAML of random fragments gives a value or an InputError', () => {
    const text = fc.array(fragment, { maxLength: 24 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (yaml) => refusesByInputError(() => JSON.stringify(parseYaml(yaml, 'fuzz.yaml')))),
      { numRuns: 3000 },
    );
  });

  it('a changed golden configuration gives a value or an InputError', () => {
    const golden = readFileSync('tests/golden/spark/model_config.yaml', 'utf8');
    fc.assert(
      fc.property(fc.nat(golden.length), fc.nat(20), fc.array(fragment, { maxLength: 3 }), (at, cut, parts) =>
        refusesByInputError(() =>
          parseYaml(golden.slice(0, at) + parts.join('') + golden.slice(at + cut), 'x.yaml'),
        ),
      ),
      { numRuns: 300 },
    );
  });

  it('YAML reads every JSON as JSON.parse does, whatever its white space', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(undefined, 2, '\t'), (value, space) => {
        const json = JSON.stringify(value, null, space);
        expect(parseYaml(json, 'fuzz.json') ?? null).toEqual(JSON.parse(json));
      }),
      { numRuns: 500 },
    );
  });

  it('faulty JSON is refused with line and column', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom('', 'x', ']', ',', '"', '\n'), (json, at, insert) => {
        const position = at % (json.length + 1);
        try {
          parseStrictJson(json.slice(0, position) + insert + json.slice(position + 1), 'fuzz.json');
        } catch (error) {
          expect(error, messageOf(error)).toBeInstanceOf(InputError);
          expect(messageOf(error)).toMatch(/^fuzz\.json:\d+:\d+: not valid JSON: ./);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('fuzz: checked values', () => {
  const schema = z.strictObject({
    a: z.int().positive().optional(),
    b: z.union([z.string(), z.strictObject({ c: z.number() }), z.array(z.boolean())]).optional(),
    d: z.discriminatedUnion('type', [z.strictObject({ type: z.literal('x'), y: z.number() })]).optional(),
    e: z.record(z.string(), z.enum(['f', 'g'])).optional(),
  });
  const value = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(
      fc.constantFrom('a', 'b', 'c', 'd', 'e', 'type', 'y', '__proto__'),
      fc.jsonValue({ maxDepth: 2 }),
    ),
  );

  it('parseConfig accepts or explains in lines that name the source', () => {
    fc.assert(
      fc.property(value, (input) => {
        try {
          parseConfig(schema, input, { source: 'fuzz.yaml' });
        } catch (error) {
          expect(error, messageOf(error)).toBeInstanceOf(InputError);
          expect(messageOf(error)).toMatch(/^fuzz\.yaml: /);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('applyOverrides gives a value or an InputError, and leaves its input alone', () => {
    const override = fc.tuple(
      fc.array(fc.constantFrom('a', 'b', '0', '.', '='), { maxLength: 5 }),
      fragment,
      fragment,
    );
    fc.assert(
      fc.property(value, override, (input, [path, x, y]) => {
        const before = JSON.stringify(input);
        refusesByInputError(() => applyOverrides(input, [`${path.join('')}=${x}${y}`]));
        expect(JSON.stringify(input)).toBe(before);
      }),
      { numRuns: 2000 },
    );
  });
});
