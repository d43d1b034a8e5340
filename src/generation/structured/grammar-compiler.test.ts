import { afterAll, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { InputError } from '../../errors/index.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import { GrammarCompiler } from './grammar-compiler.js';
import type { GrammarSpec } from './grammar-spec.js';
import type { TokenConstraint } from './token-constraint.js';
import { allowedIds, isAllowed } from './walk.js';

const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/bbpe_gpt2`);
const stopId = tokenizer.vocabSize + 3;
const compiler = new GrammarCompiler(tokenizer, {
  stopIds: [stopId],
  modelVocabSize: tokenizer.vocabSize + 64,
});
afterAll(() => compiler.dispose());

const choice = (...choices: string[]): GrammarSpec => ({ kind: 'choice', choices });

/** Walks the ids and then the stop id; every one must be allowed. */
function follow(constraint: TokenConstraint, text: string): void {
  for (const id of [...tokenizer.encode(text), stopId]) {
    expect(isAllowed(constraint.allowed(), id)).toBe(true);
    constraint.accept(id);
  }
  expect(allowedIds(constraint.allowed())).toEqual([stopId]);
}

test('a sequence is followed on the thread, and the stop id ends it', async () => {
  const constraint = compiler.createConstraint(await compiler.compile(choice('yes', 'yes, please', '不')));
  expect(isAllowed(constraint.allowed(), stopId)).toBe(false);
  expect(constraint.allowed().length).toBe(Math.ceil((tokenizer.vocabSize + 64) / 32));
  follow(constraint, 'yes, please');
  constraint.dispose();
});

test('64 sequences of different grammars at once, in any order, and none is left', async () => {
  const texts = Array.from(
    { length: 64 },
    (_, index) => `{"value": ${index}, "text": "世界${'!'.repeat(index % 7)}"}`,
  );
  const specs = texts.map(
    (_, index): GrammarSpec =>
      index % 2 === 0
        ? { kind: 'json' }
        : {
            kind: 'json-schema',
            schema: { properties: { value: { const: index }, text: { type: 'string' } } },
          },
  );
  const grammars = await Promise.all(specs.map((spec) => compiler.compile(spec)));
  const constraints = grammars.map((grammar) => compiler.createConstraint(grammar));
  const ids = texts.map((text) => [...tokenizer.encode(text), stopId]);
  for (let step = 0; step < 100; step++) {
    for (const [index, constraint] of constraints.entries()) {
      const id = ids[index]![step];
      if (id === undefined) continue;
      expect(isAllowed(constraint.allowed(), id), `${texts[index]} step ${step}`).toBe(true);
      constraint.accept(id);
    }
  }
  expect((await compiler.count()).constraints).toBe(64);
  for (const constraint of constraints) constraint.dispose();
  for (const constraint of constraints) constraint.dispose();
  expect((await compiler.count()).constraints).toBe(0);
});

test('a grammar is compiled once, and an old one is forgotten', async () => {
  const spec: GrammarSpec = {
    kind: 'json-schema',
    schema: { type: 'array', items: { type: 'string', maxLength: 77 } },
  };
  await compiler.compile(spec);
  const { grammars } = await compiler.count();
  await compiler.compile(structuredClone(spec));
  expect((await compiler.count()).grammars).toBe(grammars);
  const first = await compiler.compile(choice('first'));
  for (let index = 0; index < 40; index++) await compiler.compile(choice(`text ${index}`));
  expect((await compiler.count()).grammars).toBe(32);
  // One that was forgotten meanwhile still serves.
  const constraint = compiler.createConstraint(first);
  follow(constraint, 'first');
  constraint.dispose();
});

test.each<[string, GrammarSpec, string]>([
  [
    'an unsupported keyword',
    { kind: 'json-schema', schema: { properties: { age: { contains: 2 } } } },
    '#/properties/age/contains',
  ],
  ['a pattern', { kind: 'regex', pattern: '(a)\\1' }, 'a back-reference at character 4'],
  ['no choice', choice(), 'The list of choices is empty'],
  ['too many choices', choice(...Array.from({ length: 10_001 }, (_, index) => `${index}`)), 'at most 10000'],
  ['choices too long', choice('世'.repeat(30_000)), 'at most 65536'],
  ['a schema too large', { kind: 'json-schema', schema: { enum: ['a'.repeat(70_000)] } }, 'at most 65536'],
  ['a schema without end', { kind: 'json-schema', schema: false }, 'no text that ends'],
])('%s is an InputError of compile', async (_, spec, message) => {
  const error: unknown = await compiler.compile(spec).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(InputError);
  expect(error).toHaveProperty('message', expect.stringContaining(message));
});

test('what becomes too ambiguous on the way fails that sequence alone', async () => {
  const grammar = await compiler.compile({ kind: 'regex', pattern: '((a{1,300}){1,300}){1,300}' });
  const constraint = compiler.createConstraint(grammar);
  const other = compiler.createConstraint(await compiler.compile(choice('aa')));
  const [id] = tokenizer.encode('a');
  expect(() => {
    for (let step = 0; step < 2000; step++) {
      constraint.allowed();
      constraint.accept(id!);
    }
  }).toThrow(InputError);
  follow(other, 'aa');
  constraint.dispose();
  other.dispose();
});

test('a token that was not allowed is an error, not a text that does not fit', async () => {
  const constraint = compiler.createConstraint(await compiler.compile(choice('a')));
  constraint.accept(tokenizer.encode('b')[0]!);
  expect(() => constraint.allowed()).toThrow('is not allowed by the grammar here');
  constraint.dispose();
  expect(() => constraint.accept(stopId)).toThrow('disposed');
});

test('after its end a compiler starts anew, and constraints of before fail', async () => {
  const own = new GrammarCompiler(tokenizer, { stopIds: [stopId] });
  const constraint = own.createConstraint(await own.compile(choice('a')));
  constraint.allowed();
  await own.dispose();
  expect(() => constraint.allowed()).toThrow('has been ended');
  const again = own.createConstraint(await own.compile(choice('a')));
  follow(again, 'a');
  await own.dispose();
});

test('accept returns at once, while the mask is on its way', async () => {
  const constraint = compiler.createConstraint(await compiler.compile({ kind: 'json' }));
  const ids = tokenizer.encode('{"a": [1, 2, "世界"]}');
  let longest = 0;
  for (const id of ids) {
    constraint.allowed();
    const start = performance.now();
    constraint.accept(id);
    longest = Math.max(longest, performance.now() - start);
  }
  // Posting a message: some 0.02 ms here; a loaded machine may hold a thread up for some ms.
  expect(longest).toBeLessThan(50);
  constraint.dispose();
});
