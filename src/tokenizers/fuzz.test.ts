import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors/index.js';
import { loadTokenizer, parseTokenizer } from './load-tokenizer.js';

const golden = join(import.meta.dirname, '..', '..', 'tests', 'golden', 'tokenizers');
const SAMPLE = 'Hello, 世界!\n<s> \u{1f600} e\u0301 ｶﾞ  12½';

interface Mutation {
  readonly kind: 'set' | 'cut' | 'insert' | 'truncate';
  /** Where, as a share of the length. */
  readonly place: number;
  readonly bytes: Uint8Array;
}

const mutations = fc.array(
  fc.record<Mutation>({
    kind: fc.constantFrom('set', 'set', 'cut', 'insert', 'truncate'),
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 4 },
);

function mutate(original: Uint8Array, steps: readonly Mutation[], printable: boolean): Uint8Array {
  let bytes = Buffer.from(original);
  for (const { kind, place, bytes: raw } of steps) {
    const at = Math.floor(place * bytes.length);
    const fresh = printable ? raw.map((byte) => 0x20 + (byte % 0x5f)) : raw;
    const head = bytes.subarray(0, at);
    if (kind === 'truncate') bytes = Buffer.from(head);
    else if (kind === 'cut') bytes = Buffer.concat([head, bytes.subarray(at + fresh.length)]);
    else if (kind === 'insert') bytes = Buffer.concat([head, fresh, bytes.subarray(at)]);
    else bytes = Buffer.concat([head, fresh, bytes.subarray(at + fresh.length)]);
  }
  return bytes;
}

/** Either an InputError or a tokenizer that works. */
function expectSound(bytes: Uint8Array): void {
  try {
    const tokenizer = parseTokenizer(bytes, 'mutated');
    tokenizer.decode(tokenizer.encode(SAMPLE, { addSpecialTokens: true }));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.message).toMatch(/^mutated|^Token id/);
  }
}

describe('mutated files give an InputError or a working tokenizer', () => {
  const files = [
    'spark_like/tokenizer.model',
    'spm_unigram_plain/tokenizer.model',
    'spm_bpe_bytefallback/tokenizer.model',
    'bbpe_gpt2/tokenizer.json',
    'bpe_bytefallback_json/tokenizer.json',
  ];
  for (const file of files) {
    const original = readFileSync(join(golden, file));
    const isJson = file.endsWith('.json');
    it(file, () => {
      fc.assert(
        fc.property(mutations, fc.boolean(), (steps, nearStart) => {
          // Most of a file is vocabulary; the first part holds the structure.
          const scaled = nearStart ? steps.map((step) => ({ ...step, place: step.place * 0.1 })) : steps;
          expectSound(mutate(original, scaled, isJson));
        }),
        { numRuns: 60 },
      );
    });
  }
  it('any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), expectSound), { numRuns: 500 });
  });
  it('any JSON', () => {
    const asFile = (value: unknown) => expectSound(Buffer.from(JSON.stringify(value)));
    const component = fc.record(
      { type: fc.constantFrom('Sequence', 'Split', 'BPE', 'Strip') },
      { noNullPrototype: true },
    );
    const file = fc.dictionary(
      fc.constantFrom('model', 'added_tokens', 'normalizer', 'pre_tokenizer', 'decoder', 'post_processor'),
      fc.oneof(fc.jsonValue(), component),
    );
    fc.assert(fc.property(file, asFile), { numRuns: 500 });
  });
});

describe('any text', () => {
  const lossless = ['bbpe_llama3_regex', 'bbpe_digits', 'bpe_bytefallback_json'];
  for (const name of [...lossless, 'spark_like', 'spm_bpe_bytefallback', 'spm_unigram_plain']) {
    const tokenizer = loadTokenizer(join(golden, name));
    it(`${name}: ids are of the vocabulary, streaming equals decoding${lossless.includes(name) ? ', the text comes back' : ''}`, () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
          const ids = tokenizer.encode(text);
          expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize)).toBe(true);
          const decoded = tokenizer.decode(ids);
          if (lossless.includes(name)) expect(decoded).toBe(text);
          const stream = tokenizer.createDecodeStream();
          expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(decoded);
        }),
        { numRuns: 100 },
      );
    });
    it(`${name}: streaming any ids equals decoding them and shows no half character`, () => {
      const id = fc.oneof(fc.nat(tokenizer.vocabSize - 1), fc.nat(Math.min(300, tokenizer.vocabSize) - 1));
      fc.assert(
        fc.property(fc.array(id, { maxLength: 20 }), (ids) => {
          const stream = tokenizer.createDecodeStream();
          const parts = [...ids.map((id) => stream.push(id)), stream.end()];
          expect(parts.join('')).toBe(tokenizer.decode(ids));
          for (const part of parts) expect(part).not.toMatch(/^\p{Surrogate}|\p{Surrogate}$/u);
        }),
        { numRuns: 100 },
      );
    });
  }
});
