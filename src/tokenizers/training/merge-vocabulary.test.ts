import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { InputError } from '../../errors/index.js';
import { loadTokenizer } from '../load-tokenizer.js';
import { mergeVocabularies, newRowSources } from './merge-vocabulary.js';
import { trainByteLevelBpe } from './train-byte-level-bpe.js';
import { trainSentencePiece } from './train-sentencepiece.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-merge-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const python = referencePython();
const golden = (name: string): string => `${goldenFolder}tokenizers/${name}`;

const lines = [
  '量子纠缠是量子力学的现象',
  '量子计算机利用量子纠缠',
  'photosynthesis and chlorophyll',
  'chlorophyll 光合作用',
];
const texts = Array.from({ length: 12 }, () => lines).flat();
const corpus = join(folder, 'corpus.txt');
writeFileSync(corpus, texts.join('\n'));

async function trained(algorithm: 'bpe' | 'unigram'): Promise<string> {
  const path = join(folder, `${algorithm}.model`);
  const options = { algorithm, vocabSize: 90, softVocabLimit: true, userDefinedSymbols: ['<tool>'] };
  writeFileSync(path, (await trainSentencePiece(options, { files: [corpus], workers: 1 })).file);
  return path;
}

describe('SentencePiece', () => {
  test.each([
    ['bpe', 'spm_bpe_bytefallback'],
    ['unigram', 'spm_unigram_bytefallback'],
  ] as const)(
    '%s: ids of the base stay, new pieces shorten texts, sentencepiece agrees',
    async (algorithm, name) => {
      const base = `${golden(name)}/tokenizer.model`;
      const add = await trained(algorithm);
      const { content, baseSize, size, added } = mergeVocabularies(base, add);
      const path = join(folder, 'merged.model');
      writeFileSync(path, content);
      const before = loadTokenizer(base);
      const merged = loadTokenizer(path);
      expect([before.vocabSize, merged.vocabSize]).toEqual([baseSize, size]);
      expect(added.length).toBe(size - baseSize);
      expect(added).toContain('<tool>');
      for (let id = 0; id < baseSize; id++) expect(merged.idToToken(id)).toBe(before.idToToken(id));
      expect(merged.encode(lines[0]!).length).toBeLessThan(before.encode(lines[0]!).length);
      expect(mergeVocabularies(path, add).added).toEqual([]);

      const sources = newRowSources(base, path);
      expect(sources).toHaveLength(added.length);
      for (const [index, ids] of sources.entries()) {
        expect(ids.length).toBeGreaterThan(0);
        const spelled = ids.map((id) => before.idToToken(id));
        if (spelled.every((piece) => !piece.startsWith('<0x'))) expect(spelled.join('')).toBe(added[index]);
      }
      if (python === undefined) return;
      const samples = [...texts.slice(0, 4), '<tool>量子 chlorophylls', 'Hello 世界'];
      const ids = runReference<number[][]>(
        python,
        'import json, sys, sentencepiece\ns = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])\nprint(json.dumps(s.encode(json.loads(sys.argv[2]))))',
        [path, JSON.stringify(samples)],
      );
      expect(samples.map((text) => merged.encode(text))).toEqual(ids);
    },
  );
});

describe('tokenizer.json', () => {
  it('ids of the base stay, new tokens shorten texts, Hugging Face tokenizers agrees', () => {
    const base = `${golden('bbpe_llama3_regex')}/tokenizer.json`;
    const add = join(folder, 'add.json');
    writeFileSync(
      add,
      JSON.stringify(trainByteLevelBpe({ texts, vocabSize: 340, specialTokens: ['<tool>'] })),
    );
    const { content, baseSize, size, added } = mergeVocabularies(base, add);
    const path = join(folder, 'merged.json');
    writeFileSync(path, content);
    const before = loadTokenizer(base);
    const merged = loadTokenizer(path);
    expect([before.vocabSize, merged.vocabSize]).toEqual([baseSize, size]);
    expect(added.length).toBe(size - baseSize);
    for (let id = 0; id < baseSize; id++) expect(merged.idToToken(id)).toBe(before.idToToken(id));
    expect(merged.encode(lines[0]!).length).toBeLessThan(before.encode(lines[0]!).length);
    const sources = newRowSources(base, path);
    for (const [index, ids] of sources.entries()) {
      const token = added[index]!;
      if (token !== '<tool>') expect(ids.map((id) => before.idToToken(id)).join('')).toBe(token);
    }
    if (python === undefined) return;
    const samples = [...texts.slice(0, 4), '<tool>量子 chlorophylls', 'Hello 世界'];
    const ids = runReference<number[][]>(
      python,
      'import json, sys, tokenizers\nt = tokenizers.Tokenizer.from_file(sys.argv[1])\nprint(json.dumps([t.encode(x, add_special_tokens=False).ids for x in json.loads(sys.argv[2])]))',
      [path, JSON.stringify(samples)],
    );
    expect(samples.map((text) => merged.encode(text))).toEqual(ids);
  });
});

describe('refusals', () => {
  const bpe = `${golden('spm_bpe_bytefallback')}/tokenizer.model`;
  test.each<[string, () => unknown, RegExp]>([
    [
      'two algorithms',
      () => mergeVocabularies(bpe, `${golden('spm_unigram_plain')}/tokenizer.model`),
      /bpe model.*unigram model; only two of one kind/,
    ],
    [
      'two formats',
      () => mergeVocabularies(bpe, `${golden('bbpe_gpt2')}/tokenizer.json`),
      /are of two formats/,
    ],
    [
      'bytes and characters',
      () =>
        mergeVocabularies(
          `${golden('bbpe_gpt2')}/tokenizer.json`,
          `${golden('bpe_bytefallback_json')}/tokenizer.json`,
        ),
      /is made of bytes.*of characters/,
    ],
    ['nothing there', () => mergeVocabularies(bpe, join(folder, 'no.model')), /no\.model cannot be read/],
    [
      'no extension',
      () => newRowSources(bpe, `${golden('spark_like')}/tokenizer.model`),
      /does not extend .*: id 0 is/,
    ],
    [
      'damage',
      () => {
        const path = join(folder, 'damaged.model');
        writeFileSync(path, readFileSync(bpe).subarray(0, 1000));
        return mergeVocabularies(bpe, path);
      },
      /damaged\.model: not a valid protobuf/,
    ],
  ])('%s', (_, run, message) => {
    expect(run).toThrow(InputError);
    expect(run).toThrow(message);
  });
});
