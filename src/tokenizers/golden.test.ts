import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { requires } from '../../tests/support/requires.js';
import { loadTokenizer } from './load-tokenizer.js';
import type { DecodeOptions, Tokenizer } from './tokenizer.js';

const root = join(import.meta.dirname, '..', '..');
const golden = join(root, 'tests', 'golden', 'tokenizers');
const shared = join(root, '..', 'shared');

interface GoldenLine {
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded: string;
  readonly decoded_skip_special?: string;
  readonly decoded_newlines?: string;
  readonly tokens?: readonly string[];
}

function parseLines(text: string): GoldenLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): GoldenLine => JSON.parse(line));
}

function readGolden(name: string): GoldenLine[] {
  return parseLines(gunzipSync(readFileSync(join(golden, `${name}.jsonl.gz`))).toString('utf8'));
}

function streamed(tokenizer: Tokenizer, ids: readonly number[], options: DecodeOptions = {}): string {
  const stream = tokenizer.createDecodeStream(options);
  return ids.map((id) => stream.push(id)).join('') + stream.end();
}

/** All differences of a file at once, as [line number, text, ours, golden]. */
function checkLines(tokenizer: Tokenizer, lines: readonly GoldenLine[]): void {
  expect(lines.length).toBe(238);
  for (const [index, line] of lines.entries()) {
    const where = `line ${index + 1}, text ${JSON.stringify(line.text).slice(0, 60)}`;
    expect(tokenizer.encode(line.text), `ids of ${where}`).toEqual(line.ids);
    expect(tokenizer.decode(line.ids), `decoded ${where}`).toBe(line.decoded_newlines ?? line.decoded);
    expect(streamed(tokenizer, line.ids), `streamed ${where}`).toBe(line.decoded_newlines ?? line.decoded);
    if (line.tokens) expect(line.ids.map((id) => tokenizer.idToToken(id))).toEqual(line.tokens);
    if (line.decoded_skip_special === undefined) continue;
    const options = { skipSpecialTokens: true };
    expect(tokenizer.decode(line.ids, options), `without specials, ${where}`).toBe(line.decoded_skip_special);
    expect(streamed(tokenizer, line.ids, options)).toBe(line.decoded_skip_special);
  }
}

describe('golden files', () => {
  for (const name of ['spm_bpe_bytefallback', 'spm_unigram_bytefallback', 'spm_unigram_plain']) {
    it(name, () => checkLines(loadTokenizer(join(golden, name, 'tokenizer.model')), readGolden(name)));
  }
  for (const name of ['bbpe_llama3_regex', 'bbpe_gpt2', 'bbpe_digits', 'bpe_bytefallback_json']) {
    it(name, () => checkLines(loadTokenizer(join(golden, name)), readGolden(name)));
  }
  it('spark_like, with its newline token', () => {
    const path = join(golden, 'spark_like');
    const lines = readGolden('spark_like');
    checkLines(loadTokenizer(path, { newlineToken: '<ret>' }), lines);
    const bare = loadTokenizer(path);
    for (const line of lines) expect(bare.decode(line.ids)).toBe(line.decoded);
  });
});

describe('published TeleChat tokenizers', () => {
  for (const name of ['telechat-12b', 'telechat-52b']) {
    const folder = join(shared, 'data', 'tokenizers', name);
    const present = existsSync(folder);
    const needed = requires(present, `../shared/data/tokenizers/${name} is absent`);
    const lines = (file: string) =>
      parseLines(readFileSync(join(shared, 'golden', 'tokenizers', `${file}.jsonl`), 'utf8'));

    it(`${name}, the whole folder`, needed, () => checkLines(loadTokenizer(folder), lines(name)));
    it(`${name}, the bare model`, needed, () => {
      checkLines(loadTokenizer(join(folder, 'tokenizer.model')), lines(`${name}.sentencepiece`));
    });
  }
});
