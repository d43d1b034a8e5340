import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { acceptsPrefix } from '../../../tests/support/grammars/accepts.js';
import { isAllowed, Walker } from '../../../tests/support/grammars/walk.js';
import { casesOf } from '../../../tests/support/long-suite.js';
import { sharedData } from '../../../tests/support/shared-data.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import { Random } from '../random.js';
import type { GrammarSpec } from './grammar-spec.js';

const golden = (name: string) => `${goldenFolder}tokenizers/${name}`;
const tokenizers = [
  ['byte-level BPE', golden('bbpe_gpt2')],
  ['byte-level BPE, llama 3 words', golden('bbpe_llama3_regex')],
  ['tokenizer.json with byte fallback', golden('bpe_bytefallback_json')],
  ['SentencePiece BPE with byte fallback', golden('spm_bpe_bytefallback')],
  ['SentencePiece unigram with byte fallback', golden('spm_unigram_bytefallback')],
  ['TeleChat 12B', sharedData('tokenizers/telechat-12b')],
  ['TeleChat 52B', sharedData('tokenizers/telechat-52b')],
].flatMap(([name, path]) => (path === undefined ? [] : [{ name: name!, path }]));

const person = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 2, maxLength: 12 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    city: { enum: ['北京', '上海', 'New "York"\n', null] },
    tags: { type: 'array', items: { type: 'string', pattern: '^[a-z\\u4e00-\\u9fff"]{1,4}$' }, maxItems: 3 },
    day: { type: 'string', format: 'date' },
    weight: { type: 'number', exclusiveMinimum: 0, maximum: 200.5 },
    next: { anyOf: [{ $ref: '#' }, { type: 'null' }] },
  },
  required: ['name', 'age', 'city', 'next'],
  additionalProperties: false,
};

interface Person {
  readonly [key: string]: unknown;
  readonly name: string;
  readonly age: number;
  readonly city: string | null;
  readonly tags?: string[];
  readonly day?: string;
  readonly weight?: number;
  readonly next: Person | null;
}

function checkPerson(value: Person): void {
  expect(Object.keys(value).filter((key) => !Object.hasOwn(person.properties, key))).toEqual([]);
  expect([...value.name].length).toBeGreaterThanOrEqual(2);
  expect([...value.name].length).toBeLessThanOrEqual(12);
  expect(Number.isInteger(value.age) && value.age >= 0 && value.age <= 150).toBe(true);
  expect(person.properties.city.enum).toContain(value.city);
  if (value.tags !== undefined) {
    expect(value.tags.length).toBeLessThanOrEqual(3);
    for (const tag of value.tags) expect(tag).toMatch(/^[a-z\u4e00-\u9fff"]{1,4}$/u);
  }
  if (value.day !== undefined) expect(new Date(value.day).toISOString().slice(0, 10)).toBe(value.day);
  if (value.weight !== undefined) expect(value.weight > 0 && value.weight <= 200.5).toBe(true);
  if (value.next !== null) checkPerson(value.next);
}

const choices = ['是', '是的', 'yes', 'yes, "please"', 'no\n', ' leading', '世界世界', 'n'];
const pattern = '(?:[A-F0-9]{2}:){3}[A-F0-9]{2}|姓名：\\p{Script=Han}{2,4}|.{0,40}!';

const cases: readonly { name: string; spec: GrammarSpec; check: (text: string) => void }[] = [
  {
    name: 'schema',
    spec: { kind: 'json-schema', schema: person },
    check: (text) => checkPerson(JSON.parse(text)),
  },
  {
    name: 'regex',
    spec: { kind: 'regex', pattern },
    check: (text) => expect(text).toMatch(new RegExp(`^(?:${pattern})$`, 'u')),
  },
  { name: 'choice', spec: { kind: 'choice', choices }, check: (text) => expect(choices).toContain(text) },
  {
    name: 'json',
    spec: { kind: 'json' },
    check: (text) => {
      const value: unknown = JSON.parse(text);
      expect(typeof value === 'object' && value !== null && !Array.isArray(value)).toBe(true);
    },
  },
];

// One of each kind of vocabulary; the large ones are TeleChat's.
const quick = ['byte-level BPE', 'SentencePiece unigram with byte fallback', 'TeleChat 12B'];

describe.each(casesOf(tokenizers, ({ name }) => quick.includes(name)))('$name', ({ path }) => {
  const walker = new Walker(loadTokenizer(path));

  test.each(cases)('$name: whatever a model chooses, the text fits once it ends', ({ spec, check }) => {
    const grammar = walker.grammar(spec);
    let ended = 0;
    const walks = walker.tokenizer.vocabSize > 10_000 ? 6 : 20;
    for (let seed = 1; seed <= walks; seed++) {
      const random = new Random(BigInt(seed));
      // Now and then the id that ends things soonest, or an open string would go on for thousands of tokens.
      const closing = new Set([
        walker.stopId,
        ...['"', '}', ']', '"}', '!'].flatMap((text) => walker.tokenizer.encode(text)),
      ]);
      const text = walker.walk(
        grammar,
        (allowed) => {
          const closers = allowed.filter((id) => closing.has(id));
          const from = closers.length > 0 && random.uniform() < 0.3 ? closers : allowed;
          return from[Math.floor(random.uniform() * from.length)]!;
        },
        300,
      );
      if (text === undefined) continue;
      ended += 1;
      check(text);
    }
    expect(ended).toBeGreaterThan(walks / 3);
  });

  test('every id of the tokenizer’s own spelling of a fitting text is allowed, and the end after it', () => {
    const json = walker.grammar({ kind: 'json' });
    const value = fc.dictionary(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 3 }),
      { maxKeys: 4 },
    );
    fc.assert(
      fc.property(value, (each) => {
        const text = JSON.stringify(each);
        const ids = walker.tokenizer.encode(text);
        // Where the tokenizer normalises the text, its ids spell another one.
        fc.pre(walker.tokenizer.decode(ids) === text && isCovered(text));
        expect(walker.firstRefused(json, ids), text).toBeUndefined();
      }),
      { numRuns: 40 },
    );
    const given: Person = {
      name: '张 三',
      age: 31,
      city: '上海',
      tags: ['ab"', '标签'],
      day: '2024-02-29',
      weight: 63.25,
      next: { name: 'Ann O’Neil', age: 0, city: null, next: null },
    };
    const schema = walker.grammar({ kind: 'json-schema', schema: person });
    for (const text of [JSON.stringify(given), pythonSpelling(given)]) {
      const ids = walker.tokenizer.encode(text);
      if (walker.tokenizer.decode(ids) === text)
        expect(walker.firstRefused(schema, ids), text).toBeUndefined();
    }
    const options = walker.grammar({ kind: 'choice', choices });
    for (const text of choices) {
      const ids = walker.tokenizer.encode(text);
      if (walker.tokenizer.decode(ids) === text)
        expect(walker.firstRefused(options, ids), text).toBeUndefined();
    }
  });

  test('padded ids, special tokens and a stop in mid-text are never allowed', () => {
    const grammar = walker.grammar({ kind: 'regex', pattern: '[\\s\\S]*z' });
    const { tokenizer, stopId } = walker;
    const special = [tokenizer.bosTokenId, tokenizer.padTokenId, tokenizer.unkTokenId].filter(
      (id) => id !== undefined,
    );
    walker.walk(
      grammar,
      (allowed, step) => {
        expect(allowed.filter((id) => id >= tokenizer.vocabSize && id !== stopId)).toEqual([]);
        expect(allowed.filter((id) => special.includes(id))).toEqual([]);
        if (step === 0) expect(allowed).not.toContain(stopId);
        return allowed[step % allowed.length]!;
      },
      8,
    );
  });

  test('masks are the same when states are forgotten on the way, and when counts are kept apart', () => {
    const spec: GrammarSpec = {
      kind: 'json-schema',
      schema: {
        type: 'array',
        items: { type: 'string', minLength: 3, maxLength: 60 },
        minItems: 2,
        maxItems: 4,
      },
    };
    const ids = walker.tokenizer.encode(
      JSON.stringify(['abc', '世界'.repeat(25), `${'word '.repeat(11)}"\n`]),
    );
    const masks = walker.masks(walker.grammar(spec), ids);
    expect(walker.masks(walker.grammar(spec, 1), ids)).toEqual(masks);
    const shared = walker.grammar(spec);
    // States that another sequence has left behind must not change anything.
    walker.masks(shared, walker.tokenizer.encode('["hello world","'));
    expect(walker.masks(shared, ids)).toEqual(masks);
  });

  test('a mask allows what each token by itself does', () => {
    const spec: GrammarSpec = { kind: 'regex', pattern: '(?:[a-z ]{2,9}|世界{0,5}){1,4}!' };
    const ids = walker.tokenizer.encode('some 世界界 words');
    const masks = walker.masks(walker.grammar(spec), ids);
    const fits = acceptsPrefix(spec);
    for (const [count, mask] of masks.entries()) {
      const before = Buffer.from(walker.tokenizer.decode(ids.slice(0, count)));
      // At the beginning a space may be dropped; the other tests see to that.
      if (count < 2 || before.includes('\ufffd')) continue;
      for (let id = 0; id < walker.tokenizer.vocabSize; id += walker.tokenizer.vocabSize > 10_000 ? 97 : 1) {
        const text = id === walker.stopId ? undefined : walker.tokenizer.tokenBytes(id);
        if (text === undefined || text.length === 0) continue;
        expect(isAllowed(mask, id), `${before} + ${id}`).toBe(fits(Buffer.concat([before, text])));
      }
    }
  });

  test.each([
    ['the last', (allowed: readonly number[]) => allowed.at(-1)!],
    ['the first', (allowed: readonly number[]) => allowed[0]!],
    [
      'what is no end',
      (allowed: readonly number[], step: number) => allowed[(step * 7919) % allowed.length]!,
    ],
  ])('a model that always takes %s id comes to an end of a grammar that has one', (_, choose) => {
    const schema = { ...person, properties: { ...person.properties, next: { type: 'null' } } };
    const grammar = walker.grammar({ kind: 'json-schema', schema });
    // The longest of these texts has some 200 characters, each of at most 6 bytes.
    const text = walker.walk(grammar, choose, 1200);
    expect(text).toBeDefined();
    checkPerson(JSON.parse(text!));
  });

  test('a model that likes white space above all comes to an end', () => {
    const likes = (id: number) => {
      if (id >= walker.tokenizer.vocabSize) return false;
      const text = walker.tokenizer.tokenBytes(id);
      return text !== undefined && /^\s+$/.test(Buffer.from(text).toString('utf8'));
    };
    const schema = {
      type: 'object',
      properties: {
        a: { type: 'integer', maximum: 9, minimum: 0 },
        b: { type: 'array', items: { type: 'null' }, maxItems: 2 },
      },
      required: ['a', 'b'],
    };
    const text = walker.walk(
      walker.grammar({ kind: 'json-schema', schema }),
      (allowed) => allowed.find(likes) ?? allowed.at(-1)!,
      60,
    );
    expect(text).toBeDefined();
    expect(text).not.toMatch(/\s\s/);
    JSON.parse(text!);
  });
});

/** json.dumps puts a space after commas and colons; here no string holds one beside a quote. */
function pythonSpelling(value: unknown): string {
  return JSON.stringify(value).replaceAll('":', '": ').replaceAll(',"', ', "');
}

/** Numbers from 1e308 are left out of the grammar. */
function isCovered(text: string): boolean {
  return !/e\+30[89]/.test(text);
}
