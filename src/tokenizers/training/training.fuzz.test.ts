/** Damaged files: merging and reading texts give a result or an InputError, never anything else. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { InputError } from '../../errors/index.js';
import { textsOfChunk } from './chunk-texts.js';
import { mergeSentencePiece, sentencePieceRowSources } from './merge-sentencepiece.js';
import { mergeTokenizerJson, tokenizerJsonRowSources } from './merge-tokenizer-json.js';
import { trainByteLevelBpe } from './train-byte-level-bpe.js';

const mutations = fc.array(
  fc.record({
    kind: fc.constantFrom<'set' | 'cut' | 'insert' | 'truncate'>('set', 'set', 'cut', 'insert', 'truncate'),
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }),
  }),
  { minLength: 1, maxLength: 3 },
);

type Mutations = typeof mutations extends fc.Arbitrary<infer Steps> ? Steps : never;

function mutate(original: Uint8Array, steps: Mutations): Uint8Array {
  let bytes = Buffer.from(original);
  for (const { kind, place, bytes: fresh } of steps) {
    const at = Math.floor(place * bytes.length);
    const head = bytes.subarray(0, at);
    const behind = kind === 'insert' ? at : at + fresh.length;
    if (kind === 'truncate') bytes = Buffer.from(head);
    else bytes = Buffer.concat([head, ...(kind === 'cut' ? [] : [fresh]), bytes.subarray(behind)]);
  }
  return bytes;
}

function expectSound(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    expect(error.message).toMatch(/mutated/);
  }
}

const golden = (name: string): Uint8Array => readFileSync(`${goldenFolder}tokenizers/${name}`);

test('.model files', () => {
  const own = golden('spm_bpe_bytefallback/tokenizer.model');
  const other = golden('spark_like/tokenizer.model');
  const base = { path: 'base', bytes: own };
  fc.assert(
    fc.property(mutations, fc.boolean(), (steps, asBase) => {
      const mutated = { path: 'mutated', bytes: mutate(asBase ? own : other, steps) };
      expectSound(() => {
        const { content } = asBase ? mergeSentencePiece(mutated, base) : mergeSentencePiece(base, mutated);
        if (typeof content !== 'string') {
          sentencePieceRowSources(asBase ? mutated : base, { path: 'mutated result', bytes: content });
        }
      });
    }),
    { numRuns: 2000 },
  );
});

test('tokenizer.json files', () => {
  const texts = ['low lower lowest newest widest'];
  const json = (vocabSize: number): Uint8Array =>
    Buffer.from(
      JSON.stringify(trainByteLevelBpe({ texts, vocabSize, specialTokens: ['<s>'], minFrequency: 1 })),
    );
  const small = json(262);
  const large = json(280);
  fc.assert(
    fc.property(mutations, fc.boolean(), (steps, asBase) => {
      const mutated = { path: 'mutated', bytes: mutate(asBase ? small : large, steps) };
      const base = asBase ? mutated : { path: 'base', bytes: small };
      expectSound(() => {
        const { content } = mergeTokenizerJson(base, asBase ? { path: 'add', bytes: large } : mutated);
        tokenizerJsonRowSources(base, { path: 'mutated result', bytes: Buffer.from(content) });
      });
    }),
    { numRuns: 3000 },
  );
});

test('lines of text and JSON', () => {
  const text = Buffer.from('{"text": "天气"}\n{"text": "a\\nb", "n": [1]}\n\n{"text": ""}\n');
  fc.assert(
    fc.property(mutations, fc.constantFrom('mutated.txt', 'mutated.jsonl'), (steps, file) => {
      const chunk = { file, firstLine: 5, bytes: mutate(text, steps) };
      expectSound(() => {
        for (const found of textsOfChunk(chunk, { field: 'text', keepNewlines: file.endsWith('txt') }))
          expect(typeof found).toBe('string');
      });
    }),
    { numRuns: 5000 },
  );
});
