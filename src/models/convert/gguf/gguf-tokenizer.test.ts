import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder } from '../../../../tests/support/golden.js';
import { requiresShared } from '../../../../tests/support/requires.js';
import { sharedData } from '../../../../tests/support/shared-data.js';
import { InputError } from '../../../errors/index.js';
import { parseArchitecture } from '../../registry.js';
import { type GgufMetadata, tokenizerMetadata } from './gguf-tokenizer.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-gguf-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const config: object = JSON.parse(readFileSync(`${goldenFolder}xverse/config.json`, 'utf8'));
const architecture = (vocabSize: number) =>
  parseArchitecture({ ...config, vocab_size: vocabSize }, 'config.json');

let count = 0;
/** A golden tokenizer's folder with further files. */
function tokenizerFolder(name: string, files: Readonly<Record<string, string>> = {}): string {
  count += 1;
  const path = join(folder, String(count));
  cpSync(`${goldenFolder}tokenizers/${name}`, path, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}

const value = (metadata: GgufMetadata, key: string): unknown => metadata.get(`tokenizer.${key}`)?.value;
const list = <Item>(metadata: GgufMetadata, key: string): Item[] => value(metadata, `ggml.${key}`) as Item[];

describe('tokenizer.json', () => {
  test.each([
    ['bbpe_gpt2', 'gpt-2'],
    ['bbpe_digits', 'starcoder'],
    ['bbpe_llama3_regex', 'smaug-bpe'],
  ])('%s is byte-level BPE whose words llama.cpp cuts as %s', (name, pre) => {
    const metadata = tokenizerMetadata(tokenizerFolder(name), architecture(1024));
    expect([value(metadata, 'ggml.model'), value(metadata, 'ggml.pre')]).toEqual(['gpt2', pre]);
    const json = JSON.parse(readFileSync(`${goldenFolder}tokenizers/${name}/tokenizer.json`, 'utf8'));
    const tokens = list<string>(metadata, 'tokens');
    expect(tokens.length).toBe(1024);
    for (const [token, id] of Object.entries<number>(json.model.vocab)) expect(tokens[id]).toBe(token);
    expect(tokens.slice(1000, 1002)).toEqual(['[PAD1000]', '[PAD1001]']);
    expect(list<number>(metadata, 'token_type').slice(0, 5)).toEqual([3, 3, 3, 3, 1]);
    const merges: (string | string[])[] = json.model.merges;
    expect(list<string>(metadata, 'merges')).toEqual(
      merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))),
    );
    expect(metadata.has('tokenizer.ggml.scores')).toBe(false);
  });

  test('BPE over characters merges by scores, the first merge the highest', () => {
    const metadata = tokenizerMetadata(tokenizerFolder('bpe_bytefallback_json'), architecture(1000));
    expect([value(metadata, 'ggml.model'), value(metadata, 'ggml.pre')]).toEqual(['llama', 'default']);
    const [tokens, types, scores] = [
      list<string>(metadata, 'tokens'),
      list<number>(metadata, 'token_type'),
      list<number>(metadata, 'scores'),
    ];
    expect(types[tokens.indexOf('<0x0A>')]).toBe(6);
    const path = `${goldenFolder}tokenizers/bpe_bytefallback_json/tokenizer.json`;
    const { merges } = JSON.parse(readFileSync(path, 'utf8')).model;
    const made = [merges[0], merges[9]].map((merge: string | string[]) =>
      (typeof merge === 'string' ? merge.split(' ') : merge).join(''),
    );
    expect(made.map((token) => scores[tokens.indexOf(token)])).toEqual([-0, -9]);
  });

  test('words cut in a way of their own get a rule near it; a template goes along', () => {
    const name = 'bbpe_gpt2';
    const json: object = JSON.parse(readFileSync(`${goldenFolder}tokenizers/${name}/tokenizer.json`, 'utf8'));
    const pattern = { Regex: '\\p{L}+|\\P{L}+' };
    const split = { type: 'Split', pattern, behavior: 'Isolated', invert: false };
    const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
    const pretokenizer = { type: 'Sequence', pretokenizers: [split, byteLevel] };
    const path = tokenizerFolder(name, {
      'tokenizer.json': JSON.stringify({ ...json, pre_tokenizer: pretokenizer }),
      'tokenizer_config.json': JSON.stringify({ chat_template: '{{ messages[0].content }}' }),
    });
    const metadata = tokenizerMetadata(path, architecture(1000));
    expect(value(metadata, 'ggml.pre')).toBe('gpt-2');
    expect(value(metadata, 'chat_template')).toBe('{{ messages[0].content }}');
  });

  test('several templates keep their names', () => {
    const named = [
      { name: 'default', template: 'plain' },
      { name: 'tool_use', template: 'tools' },
    ];
    const path = tokenizerFolder('bbpe_gpt2', {
      'tokenizer_config.json': JSON.stringify({ chat_template: named }),
    });
    const metadata = tokenizerMetadata(path, architecture(1000));
    expect(value(metadata, 'chat_template')).toBe('plain');
    expect(value(metadata, 'chat_templates')).toEqual(['tool_use']);
    expect(value(metadata, 'chat_template.tool_use')).toBe('tools');
  });
});

describe('SentencePiece', () => {
  test('pieces with scores and types', () => {
    const metadata = tokenizerMetadata(tokenizerFolder('spm_bpe_bytefallback'), architecture(1024));
    const tokens = list<string>(metadata, 'tokens');
    expect([value(metadata, 'ggml.model'), tokens.length]).toEqual(['llama', 1024]);
    expect(list<number>(metadata, 'token_type').slice(0, 4)).toEqual([2, 3, 3, 6]);
    expect(list<number>(metadata, 'scores').length).toBe(1024);
    expect(value(metadata, 'ggml.add_space_prefix')).toBe(true);
  });

  test('what llama.cpp has no counterpart of is there for us alone: unigram; no tokenizer at all', () => {
    const bare = join(folder, 'bare');
    mkdirSync(bare);
    for (const path of [
      tokenizerFolder('spm_unigram_bytefallback'),
      tokenizerFolder('spm_unigram_plain'),
      bare,
    ]) {
      const metadata = tokenizerMetadata(path, architecture(1024));
      expect(value(metadata, 'ggml.model')).toBe('no_vocab');
      const others = [...metadata.keys()].slice(1);
      expect(others).toEqual(path === bare ? [] : ['xinghe.file.tokenizer.model']);
    }
  });

  test('one with more ids than the model has rows is refused', () => {
    const path = tokenizerFolder('spm_bpe_bytefallback');
    expect(() => tokenizerMetadata(path, architecture(320))).toThrow(InputError);
  });

  const published = sharedData('tokenizers/telechat-12b');
  test("TeleChat-12B's digits are normal tokens, its marks are not", requiresShared(published), () => {
    const metadata = tokenizerMetadata(published ?? '', architecture(120064));
    const [tokens, types] = [list<string>(metadata, 'tokens'), list<number>(metadata, 'token_type')];
    const typeOf = (token: string): number | undefined => types[tokens.indexOf(token)];
    expect(['7', '\n', '__', '____', '<_user>', '<_end>', '<0x0A>'].map(typeOf)).toEqual([
      1, 1, 1, 1, 4, 3, 6,
    ]);
    expect(value(metadata, 'ggml.eos_token_id')).toBe(3);
  });
});
