import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { casesOf, isLongSuite } from '../../../tests/support/long-suite.js';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { requires } from '../../../tests/support/requires.js';
import { InputError } from '../../errors/index.js';
import { loadTokenizer } from '../load-tokenizer.js';
import { parseSentencePieceModel } from '../sentencepiece/model-file.js';
import type { SentencePieceTrainingOptions } from './sentencepiece-options.js';
import { trainSentencePiece } from './train-sentencepiece.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-train-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const python = referencePython();
const hasThreads = existsSync(join(import.meta.dirname, '../../../dist/tokenizers/training/count-worker.js'));

/** The 238 texts of the goldens: edge cases, then real lines. */
const goldenTexts = gunzipSync(readFileSync(`${goldenFolder}tokenizers/spm_bpe_bytefallback.jsonl.gz`))
  .toString('utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line): string => (JSON.parse(line) as { text: string }).text);

const corpus = join(folder, 'corpus.txt');
beforeAll(() => {
  const lines = goldenTexts.flatMap((text) => text.split('\n'));
  writeFileSync(corpus, `${lines.join('\n')}\n`);
});

/** Loads a model with SentencePiece itself; ids of all texts, pieces. */
function reference(model: string): { ids: number[][]; decoded: string[]; pieces: string[] } {
  writeFileSync(join(folder, 'texts.json'), JSON.stringify(goldenTexts));
  return runReference(
    python!,
    `import json, sys, sentencepiece
s = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
texts = json.load(open(sys.argv[2], encoding='utf8'))
ids = s.encode(texts)
print(json.dumps({'ids': ids, 'decoded': [s.decode(i) for i in ids], 'pieces': [s.id_to_piece(i) for i in range(len(s))]}))`,
    [model, join(folder, 'texts.json')],
  );
}

/** What SentencePiece itself learns from the same file: [piece, score] of each id. */
function trainedByReference(options: Record<string, unknown>): [string, number][] {
  const output = join(folder, 'reference');
  return runReference(
    python!,
    `import json, sys, sentencepiece
sentencepiece.SentencePieceTrainer.train(input=sys.argv[1], model_prefix=sys.argv[2], minloglevel=2, num_threads=1, **json.loads(sys.argv[3]))
s = sentencepiece.SentencePieceProcessor(model_file=sys.argv[2] + '.model')
print(json.dumps([[s.id_to_piece(i), s.get_score(i)] for i in range(len(s))]))`,
    [corpus, output, JSON.stringify(options)],
  );
}

const variants: readonly [string, Partial<SentencePieceTrainingOptions>, Record<string, unknown>][] = [
  ['defaults', { vocabSize: 2600 }, { vocab_size: 2600 }],
  [
    'bytes, digits, symbols, identity, ids as in Spark',
    {
      vocabSize: 1500,
      characterCoverage: 0.98,
      byteFallback: true,
      splitDigits: true,
      normalization: 'identity',
      addDummyPrefix: false,
      removeExtraWhitespaces: false,
      userDefinedSymbols: ['<ret>', '<end>'],
      controlSymbols: ['<sep>'],
      unkId: 2,
      bosId: 1,
      eosId: -1,
      padId: 0,
      maxPieceLength: 8,
    },
    {
      vocab_size: 1500,
      character_coverage: 0.98,
      byte_fallback: true,
      split_digits: true,
      normalization_rule_name: 'identity',
      add_dummy_prefix: false,
      remove_extra_whitespaces: false,
      user_defined_symbols: ['<ret>', '<end>'],
      control_symbols: ['<sep>'],
      unk_id: 2,
      bos_id: 1,
      eos_id: -1,
      pad_id: 0,
      max_sentencepiece_length: 8,
    },
  ],
  [
    'nfkc, numbers with letters, scripts mixed',
    { vocabSize: 2500, normalization: 'nfkc', splitByNumber: false, splitByUnicodeScript: false },
    {
      vocab_size: 2500,
      normalization_rule_name: 'nfkc',
      split_by_number: false,
      split_by_unicode_script: false,
    },
  ],
];

describe.each(['bpe', 'unigram'] as const)('%s', (algorithm) => {
  test.each(casesOf(variants, (_, index) => index === (algorithm === 'bpe' ? 1 : 2)))(
    '%s: SentencePiece loads the file and encodes as we do',
    async (_, options, theirs) => {
      const { file, model } = await trainSentencePiece(
        { algorithm, vocabSize: 0, ...options },
        { files: [corpus], workers: 1 },
      );
      expect(parseSentencePieceModel(file, 'ours')).toEqual(model);
      const path = join(folder, 'ours.model');
      writeFileSync(path, file);
      const tokenizer = loadTokenizer(path);
      expect(tokenizer.vocabSize).toBe(options.vocabSize);
      if (python === undefined) return;
      const { ids, decoded, pieces } = reference(path);
      expect(pieces).toEqual(model.pieces.map((piece) => piece.text));
      for (const [index, text] of goldenTexts.entries()) {
        expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids[index]);
        expect(tokenizer.decode(ids[index]!)).toBe(decoded[index]);
      }
      const learned = trainedByReference({ ...theirs, model_type: algorithm });
      if (algorithm === 'bpe') {
        // The same pieces with the same scores on the same ids.
        expect(model.pieces.map(({ text, score }) => [text, score])).toEqual(learned);
        return;
      }
      // Not the same pieces, but no worse ones: as few tokens for the text that was learned from.
      const theirIds = reference(join(folder, 'reference.model')).ids;
      const count = (lists: number[][]): number => lists.reduce((sum, list) => sum + list.length, 0);
      expect(count(ids)).toBeLessThan(count(theirIds) * 1.005);
    },
  );

  it(
    'gives the same bytes on 1, 2 and 3 threads, and for gzipped and JSON lines',
    requires(hasThreads, 'dist/ is not built; npm run build'),
    async () => {
      const texts = readFileSync(corpus, 'utf8').trimEnd().split('\n');
      const json = join(folder, 'corpus.jsonl.gz');
      // Several chunks, so that threads have something to share.
      const many = Array.from({ length: isLongSuite ? 30 : 12 }, () => texts).flat();
      writeFileSync(json, gzipSync(many.map((body) => JSON.stringify({ body })).join('\n')));
      const plain = join(folder, 'many.txt');
      writeFileSync(plain, many.join('\n'));
      const options = { algorithm, vocabSize: 2600 };
      const sample = { texts: 3000, seed: 7 };
      const results: string[] = [];
      const samples: string[] = [];
      for (const workers of isLongSuite ? [1, 2, 3] : [1, 3]) {
        const { file } = await trainSentencePiece(options, { files: [plain], workers });
        results.push(Buffer.from(file).toString('base64'));
        const drawn = await trainSentencePiece(
          { ...options, softVocabLimit: true },
          { files: [plain], workers, sample },
        );
        samples.push(Buffer.from(drawn.file).toString('base64'));
        expect(drawn.counted.taken).toBe(3000);
      }
      const { file } = await trainSentencePiece(options, { files: [json], field: 'body', workers: 2 });
      results.push(Buffer.from(file).toString('base64'));
      expect(new Set(results).size).toBe(1);
      expect(new Set(samples).size).toBe(1);
      expect(samples[0]).not.toBe(results[0]);
    },
  );
});

describe('refusals', () => {
  const train = (options: Partial<SentencePieceTrainingOptions>, file = corpus, field?: string) =>
    trainSentencePiece(
      { algorithm: 'bpe', vocabSize: 2600, ...options },
      { files: [file], workers: 1, field },
    );
  const written = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };

  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'too small',
      () => train({ vocabSize: 300 }),
      /--vocab-size 300 is \d+ too small: \d+ characters.*or more/,
    ],
    ['too large', () => train({ vocabSize: 100_000 }), /is 100000, but this text gives at most \d+ pieces/],
    ['an empty file', () => train({}, written('empty.txt', '')), /empty\.txt: no text to learn from, empty/],
    ['white space', () => train({}, written('space.txt', '  \n \n')), /2 texts consist of white space/],
    [
      'long lines',
      () => train({ maxSentenceLength: 10 }, written('long.txt', 'a'.repeat(99))),
      /1 sentences are/,
    ],
    ['no file', () => train({}, join(folder, 'nowhere.txt')), /nowhere\.txt does not exist/],
    ['a folder', () => train({}, folder), /is a folder, not a file of text/],
    [
      'broken UTF-8',
      () => train({}, written('broken.txt', Buffer.from('a\nb\n\xffc\n', 'latin1'))),
      /broken\.txt:3 is not valid UTF-8: bytes ff63/,
    ],
    [
      'broken gzip',
      () => train({}, written('broken.txt.gz', 'no gzip')),
      /broken\.txt\.gz cannot be unpacked/,
    ],
    [
      'broken JSON',
      () => train({}, written('a.jsonl', '{"text": "a"}\n{"text"\n')),
      /a\.jsonl:2:.*not valid JSON/,
    ],
    [
      'no such field',
      () => train({}, written('b.jsonl', '{"body": "a"}\n')),
      /b\.jsonl:1: "text" is missing; the line has body/,
    ],
    ['a number', () => train({}, written('c.jsonl', '5\n')), /c\.jsonl:1: no JSON object/],
    [
      'coverage',
      () => train({ characterCoverage: 0.5 }),
      /--character-coverage is 0\.5; give a number from 0\.98 to 1/,
    ],
    ['ids that collide', () => train({ padId: 1 }), /--pad-id is 1; <s> has this id already/],
    ['no unk', () => train({ unkId: -1 }), /--unk-id is -1/],
    ['double symbols', () => train({ controlSymbols: ['x', 'x'] }), /--control-symbols holds x twice/],
    ['an empty symbol', () => train({ userDefinedSymbols: [''] }), /holds an empty symbol/],
  ])('%s', async (_, run, message) => {
    const error = await run().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(InputError);
    expect(String(error)).toMatch(message);
  });

  it('takes the largest vocabulary that the message names, and fewer with a soft limit', async () => {
    const message = await train({ vocabSize: 100_000 }).catch((error: unknown) => String(error));
    const largest = Number(/at most (\d+)/.exec(String(message))?.[1]);
    expect((await train({ vocabSize: largest })).model.pieces).toHaveLength(largest);
    expect((await train({ vocabSize: 100_000, softVocabLimit: true })).model.pieces).toHaveLength(largest);
  });
});
