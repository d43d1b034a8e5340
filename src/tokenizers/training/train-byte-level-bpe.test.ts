import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { requires } from '../../../tests/support/requires.js';
import { InputError } from '../../errors/index.js';
import { parseTokenizer } from '../load-tokenizer.js';
import {
  type ByteLevelBpeOptions,
  trainByteLevelBpe,
  trainByteLevelBpeOnFiles,
} from './train-byte-level-bpe.js';

const texts = [
  'low low low low low lower lower',
  'newest newest newest newest newest newest',
  'widest widest widest 天气 天气',
];

describe('trainByteLevelBpe', () => {
  it('learns the pairs one would count by hand, frequent first, then smaller', () => {
    const { model } = trainByteLevelBpe({ texts, vocabSize: 256 + 5 });
    // es 9, st 9, lo 7, ow 7, we 8 ... : "es" is the smaller of the two that occur nine times.
    expect(model.merges.slice(0, 2)).toEqual([
      ['e', 's'],
      ['es', 't'],
    ]);
    expect(Object.keys(model.vocab)).toHaveLength(261);
  });

  it('makes a tokenizer that our loader reads and that gives every text back', () => {
    const json = trainByteLevelBpe({ texts, vocabSize: 300, specialTokens: ['<pad>', '</s>'] });
    const tokenizer = parseTokenizer(Buffer.from(JSON.stringify(json)), 'trained');
    expect(tokenizer.vocabSize).toBe(Object.keys(json.model.vocab).length);
    expect(tokenizer.encode('<pad>low</s>')).toEqual([0, tokenizer.tokenToId('low'), 1]);
    expect(tokenizer.encode('2023').map((id) => tokenizer.idToToken(id))).toEqual(['2', '0', '2', '3']);
    for (const text of [...texts, '全新的文字 \u{1f600}\n'])
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('is deterministic, and stops when nothing occurs often enough', () => {
    const options = { texts, vocabSize: 5000 };
    expect(trainByteLevelBpe(options)).toEqual(trainByteLevelBpe(options));
    expect(Object.keys(trainByteLevelBpe(options).model.vocab).length).toBeLessThan(400);
    expect(trainByteLevelBpe({ ...options, minFrequency: 100 }).model.merges).toEqual([]);
  });

  it('refuses a vocabulary without room for the bytes, and unusable special tokens', () => {
    expect(() => trainByteLevelBpe({ texts, vocabSize: 256, specialTokens: ['<s>'] })).toThrow(
      /at least 257/,
    );
    for (const token of ['', 'a']) {
      expect(() => trainByteLevelBpe({ texts, vocabSize: 400, specialTokens: [token] })).toThrow(InputError);
    }
  });
});

describe('trainByteLevelBpeOnFiles', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-bytes-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const hasThreads = existsSync(
    join(import.meta.dirname, '../../../dist/tokenizers/training/count-worker.js'),
  );
  const python = referencePython();
  const goldenTexts = gunzipSync(readFileSync(`${goldenFolder}tokenizers/bbpe_gpt2.jsonl.gz`))
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): string => (JSON.parse(line) as { text: string }).text);
  const corpus = join(folder, 'corpus.jsonl');
  writeFileSync(corpus, goldenTexts.map((text) => JSON.stringify({ text })).join('\n'));

  const variants: [string, Partial<ByteLevelBpeOptions>][] = [
    ['defaults', { specialTokens: ['<|endoftext|>'] }],
    ['another pattern, NFC', { pattern: '\\p{N}{1,3}|\\p{L}+|\\s+', normalization: 'nfc', minFrequency: 4 }],
    ['NFKC', { normalization: 'nfkc' }],
  ];
  test.each(variants)('%s: Hugging Face tokenizers loads the file and encodes as we do', async (_, more) => {
    const options = { vocabSize: 900, ...more };
    const { json } = await trainByteLevelBpeOnFiles(options, { files: [corpus], workers: 1 });
    expect(json).toEqual(trainByteLevelBpe({ ...options, texts: goldenTexts }));
    const path = join(folder, 'tokenizer.json');
    writeFileSync(path, JSON.stringify(json));
    if (python === undefined) return;
    const ids = runReference<number[][]>(
      python,
      `import json, sys, tokenizers
t = tokenizers.Tokenizer.from_file(sys.argv[1])
texts = [json.loads(line)['text'] for line in open(sys.argv[2], encoding='utf8')]
print(json.dumps([t.encode(x, add_special_tokens=False).ids for x in texts]))`,
      [path, corpus],
    );
    const tokenizer = parseTokenizer(readFileSync(path), 'trained');
    for (const [index, text] of goldenTexts.entries())
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids[index]);
  });

  it(
    'gives the same on 1, 2 and 3 threads',
    requires(hasThreads, 'dist/ is not built; npm run build'),
    async () => {
      const many = join(folder, 'many.txt');
      writeFileSync(many, Array.from({ length: 30 }, () => goldenTexts.join('\n')).join('\n'));
      const results = await Promise.all(
        [1, 2, 3].map(async (workers) =>
          JSON.stringify(
            (await trainByteLevelBpeOnFiles({ vocabSize: 1000 }, { files: [many], workers })).json,
          ),
        ),
      );
      expect(new Set(results).size).toBe(1);
    },
  );
});
