/** Training, measuring and merging vocabularies through the whole command line, in process. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadTokenizer } from '../../tokenizers/index.js';
import { main } from '../main.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lines = join(folder, 'lines.txt');
const records = join(folder, 'records.jsonl');
const output = join(folder, 'out.model');
const sentences = [
  '今天天气很好，我们去公园。',
  'The weather is good today.',
  '2023年的天气 was better, 42%',
];
writeFileSync(lines, `${Array.from({ length: 20 }, () => sentences.join('\n')).join('\n')}\n`);
writeFileSync(records, sentences.map((content) => `${JSON.stringify({ content })}\n`).join(''));

let stdout = '';
let stderr = '';
beforeEach(() => {
  stdout = '';
  stderr = '';
  rmSync(output, { force: true });
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    stdout += String(chunk);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    stderr += String(chunk);
    return true;
  });
  return () => vi.restoreAllMocks();
});

const train = (type: string, size: number, ...more: string[]): string[] => [
  ...['tokenizer', 'train', '--type', type, '--vocab-size', String(size), '--input', lines],
  ...['--output', output, '--workers', '1', ...more],
];

test.each([
  ['sentencepiece-bpe', 80],
  ['sentencepiece-unigram', 45],
  ['byte-level-bpe', 300],
])('%s: trains, encodes, reports', async (type, size) => {
  expect(await main(train(type, size, '--json')), stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ output, type, vocab_size: size, texts: 60, taken: 60 });
  expect(stderr).toMatch(/reading: .*\n.*learned from 60 of 60 texts in .* ids to /s);
  expect(loadTokenizer(output).decode(loadTokenizer(output).encode(sentences[1]!))).toBe(sentences[1]);
  stdout = '';
  const report = [
    'tokenizer',
    'report',
    '--tokenizer',
    output,
    '--input',
    lines,
    records,
    '--field',
    'content',
  ];
  expect(await main([...report, '--json']), stderr).toBe(0);
  const { total, writings, files, vocab_size } = JSON.parse(stdout);
  expect(vocab_size).toBe(size);
  expect(Object.keys(writings)).toEqual(['chinese', 'latin', 'digits_and_code', 'other']);
  expect(files.map(({ file }: { file: string }) => file)).toEqual([lines, records]);
  expect(files[0].tokens + files[1].tokens).toBe(total.tokens);
  expect(total.bytes_per_token).toBeCloseTo(total.bytes / total.tokens);
  stdout = '';
  expect(await main(report)).toBe(0);
  expect(stdout).toMatch(/^ +characters +tokens +tokens\/character/);
  expect(stdout).toMatch(/\nall .* %\n$/);
});

test('the folder of the output is made', async () => {
  const made = join(folder, 'new', 'deep');
  const file = join(made, 't.json');
  expect(await main(train('byte-level-bpe', 300).with(-3, file)), stderr).toBe(0);
  const merged = ['tokenizer', 'merge', '--base', file, '--add', file, '--output', join(made, 'm', 'm.json')];
  expect(await main(merged), stderr).toBe(0);
  const encoded = ['tokenizer', 'encode', '--tokenizer', file, '--input', join(folder, 'texts.jsonl')];
  writeFileSync(join(folder, 'texts.jsonl'), '{"text": "good"}\n');
  expect(await main([...encoded, '--output', join(made, 'e', 'e.jsonl')]), stderr).toBe(0);
  expect(readdirSync(made).sort()).toEqual(['e', 'm', 't.json']);
  rmSync(join(folder, 'new'), { recursive: true });
});

test('options reach the trainer', async () => {
  const symbols = ['--user-defined-symbols', '<a>', '<b>', '--special-tokens', '<c>'];
  const ids = ['--pad-id', '0', '--bos-id', '1', '--unk-id', '2', '--eos-id', '-1'];
  const rest = [
    '--byte-fallback',
    '--normalization',
    'identity',
    '--add-dummy-prefix',
    'false',
    '--split-digits',
  ];
  expect(await main(train('sentencepiece-bpe', 330, ...symbols, ...ids, ...rest)), stderr).toBe(0);
  const tokenizer = loadTokenizer(output);
  expect([0, 1, 2, 3, 4, 5].map((id) => tokenizer.idToToken(id))).toEqual([
    '<pad>',
    '<s>',
    '<unk>',
    '<c>',
    '<a>',
    '<b>',
  ]);
  expect(tokenizer.encode('<b>')).toEqual([5]);
  expect(tokenizer.decode(tokenizer.encode('１ 馬'))).toBe('１ 馬');
});

test('merge extends a model', async () => {
  const base = join(folder, 'base.model');
  expect(await main(train('sentencepiece-bpe', 70).with(-3, base)), stderr).toBe(0);
  expect(await main(train('sentencepiece-bpe', 84)), stderr).toBe(0);
  const merged = join(folder, 'merged.model');
  stdout = '';
  const argv = ['tokenizer', 'merge', '--base', base, '--add', output, '--output', merged, '--json'];
  expect(await main(argv), stderr).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ output: merged, base_size: 70, vocab_size: 84, added: 14 });
});

describe('refusals', () => {
  test.each<[string, () => string[], RegExp]>([
    ['no type', () => ['tokenizer', 'train', '--vocab-size', '9'], /--type is required/],
    ['another type', () => train('wordpiece', 100), /--type is "wordpiece"; give one of sentencepiece-bpe/],
    ['too small', () => train('sentencepiece-bpe', 20), /--vocab-size 20 is \d+ too small/],
    ['too small for bytes', () => train('byte-level-bpe', 20), /no room for 256 bytes/],
    [
      'too large',
      () => train('sentencepiece-unigram', 5000),
      /is 5000, but this text gives at most \d+ pieces/,
    ],
    [
      'a foreign option',
      () => train('sentencepiece-bpe', 100, '--min-frequency', '3'),
      /--min-frequency does not go with --type sentencepiece-bpe/,
    ],
    [
      'a foreign switch',
      () => train('byte-level-bpe', 300, '--byte-fallback'),
      /--byte-fallback does not go/,
    ],
    [
      'a normalisation',
      () => train('byte-level-bpe', 300, '--normalization', 'nmt_nfkc'),
      /give one of identity, nfc, nfkc/,
    ],
    ['a pattern', () => train('byte-level-bpe', 300, '--pattern', '(a'), /pattern/i],
    ['no file', () => train('byte-level-bpe', 300).with(7, join(folder, 'no.txt')), /no\.txt does not exist/],
    ['a folder', () => train('byte-level-bpe', 300).with(7, folder), /is a folder, not a file of text/],
    [
      'an output below a file, found before learning',
      () =>
        train('byte-level-bpe', 300)
          .with(-3, join(lines, 'no', 'o.json'))
          .with(7, join(folder, 'no.txt')),
      /o\.json could not be written: a part of the path is a file/,
    ],
    [
      'no field',
      () => train('byte-level-bpe', 300).with(7, records),
      /records\.jsonl:1: "text" is missing; .* content/,
    ],
    [
      'report without the tokenizer',
      () => ['tokenizer', 'report', '--tokenizer', lines, '--input', lines],
      /lines\.txt.*protobuf/,
    ],
    [
      'merge of a text',
      () => ['tokenizer', 'merge', '--base', lines, '--add', lines, '--output', output],
      /lines\.txt.*protobuf/,
    ],
  ])('%s', async (_, argv, message) => {
    const before = readdirSync(folder).sort();
    const code = await main(argv());
    expect(stderr).toMatch(message);
    expect(code, stderr).toBe(2);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe('');
    expect(readdirSync(folder).sort()).toEqual(before);
  });

  test('a folder without permission', async (context) => {
    if (process.getuid?.() === 0) context.skip('root may write everywhere');
    const closed = join(folder, 'closed');
    mkdirSync(closed, { mode: 0o500 });
    const target = join(closed, 'o.json');
    expect(await main(train('byte-level-bpe', 300).with(-3, target))).toBe(2);
    expect(stderr).toMatch(/no permission to write there/);
    expect(existsSync(target)).toBe(false);
    chmodSync(closed, 0o700);
  });
});
