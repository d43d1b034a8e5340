import { setMaxListeners } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { allowedIds, isAllowed } from '../../../tests/support/grammars/walk.js';
import { type ServingCase, servingCase } from '../../../tests/support/serving-case.js';
import { InputError } from '../../errors/index.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import { GrammarCompiler } from './grammar-compiler.js';
import type { GrammarSpec } from './grammar-spec.js';
import type { TokenConstraint } from './token-constraint.js';

const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/bbpe_gpt2`);
const stopId = tokenizer.vocabSize + 3;
const compiler = new GrammarCompiler(tokenizer, {
  stopIds: [stopId],
  modelVocabSize: tokenizer.vocabSize + 64,
});
afterAll(() => compiler.dispose());

const choice = (...choices: string[]): GrammarSpec => ({ kind: 'choice', choices });

async function allowed(constraint: TokenConstraint): Promise<Uint32Array> {
  if (!constraint.isReady) await new Promise<void>((resolve) => constraint.whenReady(resolve));
  return constraint.allowed();
}

/** Walks the ids and then the stop id; every one must be allowed. */
async function follow(constraint: TokenConstraint, text: string): Promise<void> {
  for (const id of [...tokenizer.encode(text), stopId]) {
    expect(isAllowed(await allowed(constraint), id)).toBe(true);
    constraint.accept(id);
  }
  expect(allowedIds(await allowed(constraint))).toEqual([stopId]);
}

test('a sequence is followed on the thread, and the stop id ends it', async () => {
  const constraint = compiler.createConstraint(await compiler.compile(choice('yes', 'yes, please', '不')));
  expect(isAllowed(await allowed(constraint), stopId)).toBe(false);
  expect((await allowed(constraint)).length).toBe(Math.ceil((tokenizer.vocabSize + 64) / 32));
  await follow(constraint, 'yes, please');
  constraint.dispose();
});

test('what the thread says late of one mask is not taken for the next', async () => {
  const constraint = compiler.createConstraint(await compiler.compile({ kind: 'json' }));
  const ids = tokenizer.encode(
    `{"林间小路 and a wood": [${Array.from({ length: 60 }, (_, index) => index * 7919)}]}`,
  );
  for (const [index, id] of ids.entries()) {
    // Every other mask is there before it is asked for, and the word that the thread sends of it comes when nobody waits.
    if (index % 2 === 0) while (!constraint.isReady);
    await new Promise<void>((resolve) => constraint.whenReady(resolve));
    expect(constraint.isReady, `after ${index} tokens`).toBe(true);
    expect(isAllowed(constraint.allowed(), id)).toBe(true);
    constraint.accept(id);
  }
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
      expect(isAllowed(await allowed(constraint), id), `${texts[index]} step ${step}`).toBe(true);
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
  const once = await compiler.compile(spec);
  expect(await compiler.compile(structuredClone(spec))).toBe(once);
  const first = await compiler.compile(choice('first'));
  for (let index = 0; index < 40; index++)
    compiler.createConstraint(await compiler.compile(choice(`text ${index}`))).dispose();
  expect((await compiler.count()).grammars).toBe(32);
  // One that was forgotten meanwhile still serves.
  const constraint = compiler.createConstraint(first);
  await follow(constraint, 'first');
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
  const walk = async (): Promise<void> => {
    for (let step = 0; step < 2000; step++) {
      await allowed(constraint);
      constraint.accept(id!);
    }
  };
  await expect(walk()).rejects.toThrow(InputError);
  await follow(other, 'aa');
  constraint.dispose();
  other.dispose();
});

test('a token that was not allowed is an error, not a text that does not fit', async () => {
  const constraint = compiler.createConstraint(await compiler.compile(choice('a')));
  constraint.accept(tokenizer.encode('b')[0]!);
  await expect(allowed(constraint)).rejects.toThrow('is not allowed by the grammar here');
  constraint.dispose();
  expect(() => constraint.accept(stopId)).toThrow('disposed');
});

test('after its end a compiler compiles nothing, and constraints of before fail', async () => {
  const own = new GrammarCompiler(tokenizer, { stopIds: [stopId] });
  const constraint = own.createConstraint(await own.compile(choice('a')));
  const late = own.createConstraint(await own.compile(choice('b')));
  await allowed(constraint);
  const waited = allowed(late).catch(() => undefined);
  await own.dispose();
  await waited;
  expect([constraint.isReady, late.isReady]).toEqual([true, true]);
  expect(() => constraint.allowed()).toThrow('has been ended');
  await expect(own.compile(choice('c'))).rejects.toThrow('has been ended');
});

test('accept returns at once, while the mask is on its way', async () => {
  const constraint = compiler.createConstraint(await compiler.compile({ kind: 'json' }));
  const ids = tokenizer.encode('{"a": [1, 2, "世界"]}');
  let longest = 0;
  for (const id of ids) {
    await allowed(constraint);
    const start = performance.now();
    constraint.accept(id);
    longest = Math.max(longest, performance.now() - start);
  }
  // Posting a message: some 0.02 ms here; a loaded machine may hold a thread up for some ms.
  expect(longest).toBeLessThan(50);
  constraint.dispose();
});

describe('a grammar that takes too long', () => {
  const scripts = [
    ...[
      'Adlam',
      'Ahom',
      'Arabic',
      'Armenian',
      'Avestan',
      'Balinese',
      'Bamum',
      'Batak',
      'Bengali',
      'Bopomofo',
    ],
    ...[
      'Brahmi',
      'Braille',
      'Buginese',
      'Buhid',
      'Carian',
      'Chakma',
      'Cham',
      'Cherokee',
      'Coptic',
      'Cypriot',
    ],
    ...[
      'Deseret',
      'Duployan',
      'Elbasan',
      'Elymaic',
      'Ethiopic',
      'Georgian',
      'Glagolitic',
      'Gothic',
      'Grantha',
    ],
    ...[
      'Greek',
      'Gujarati',
      'Gurmukhi',
      'Han',
      'Hangul',
      'Hanunoo',
      'Hatran',
      'Hebrew',
      'Hiragana',
      'Javanese',
    ],
  ];
  // Each looks at every character of Unicode.
  const properties = scripts.flatMap((script) => [`\\p{scx=${script}}`, `\\p{sc=${script}}`]);
  const slow = (own: string): GrammarSpec => ({
    kind: 'regex',
    pattern: `${own}(?:${properties.map((each) => `[${each}]`).join('|')})`,
  });

  test('is refused, the next ones are compiled, and so are those of others at once', async () => {
    const own = new GrammarCompiler(tokenizer, { stopIds: [stopId], limit: 600 });
    await own.compile(choice('a'));
    const start = performance.now();
    const bad = [0, 1, 2].map((index) =>
      own.compile(slow(`${index}`), { client: 'mallory' }).catch((error: unknown) => error),
    );
    await own.compile({ kind: 'json' }, { client: 'ann' });
    // The one that ran, and a new thread.
    expect(performance.now() - start).toBeLessThan(600 + 5000);
    let isOver = false;
    void Promise.all(bad).then(() => {
      isOver = true;
    });
    expect(isOver, 'ann did not wait for all of them').toBe(false);
    for (const error of await Promise.all(bad)) {
      expect(error).toBeInstanceOf(InputError);
      expect(error).toHaveProperty('message', expect.stringContaining('longer than 600 ms to compile'));
    }
    // Known by now.
    const again = performance.now();
    await expect(own.compile(slow('0'))).rejects.toThrow('longer than 600 ms');
    expect(performance.now() - again).toBeLessThan(100);
    await own.dispose();
  });

  test('masks of other texts go on meanwhile', async () => {
    const own = new GrammarCompiler(tokenizer, { stopIds: [stopId], limit: 3000 });
    const constraint = own.createConstraint(await own.compile({ kind: 'json' }));
    await allowed(constraint);
    const bad = own.compile(slow('x')).catch((error: unknown) => error);
    const start = performance.now();
    await follow(constraint, '{"a": [1, 2, "世界"]}');
    expect(performance.now() - start).toBeLessThan(2500);
    constraint.dispose();
    await own.dispose();
    await bad;
  });

  test('who left is not compiled for', async () => {
    const own = new GrammarCompiler(tokenizer, { stopIds: [stopId], limit: 600 });
    await own.compile(choice('a'));
    const first = own.compile(slow('first')).catch((error: unknown) => error);
    const leave = new AbortController();
    setMaxListeners(0, leave.signal);
    const left = Array.from({ length: 20 }, (_, index) =>
      own.compile(slow(`left ${index}`), { signal: leave.signal }).catch((error: unknown) => error),
    );
    leave.abort();
    const start = performance.now();
    await first;
    await own.compile(choice('b'));
    expect(performance.now() - start).toBeLessThan(600 + 5000);
    for (const error of await Promise.all(left)) expect(error).toHaveProperty('name', 'AbortError');
    await own.dispose();
  });

  test.each(['regex-scx-5s.json', 'oneof-37s.json'])('%s: within the limit or refused', async (name) => {
    const body = servingCase(name);
    if (body === undefined) return;
    const own = new GrammarCompiler(tokenizer, { stopIds: [stopId] });
    await own.compile(choice('a'));
    const start = performance.now();
    const outcome = await own.compile(specOf(body)).catch((error: unknown) => error);
    expect(performance.now() - start).toBeLessThan(4000 + 1500);
    if (outcome instanceof Error) expect(outcome).toBeInstanceOf(InputError);
    await own.dispose();
  });
});

function specOf({ structured_outputs: outputs, response_format: format }: ServingCase): GrammarSpec {
  if (outputs !== undefined) return { kind: 'regex', pattern: outputs.regex };
  return { kind: 'json-schema', schema: format?.json_schema.schema };
}
