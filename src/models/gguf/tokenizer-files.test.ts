import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { InputError } from '../../errors/index.js';
import type { GgufModel, GgufValue } from '../../formats/index.js';
import { parseFolderTokens, parseTokenizer, type Tokenizer } from '../../tokenizers/index.js';
import { tokenizerMetadata } from '../convert/gguf/gguf-tokenizer.js';
import { parseArchitecture } from '../registry.js';
import { tokenizerFilesOf } from './tokenizer-files.js';

type Metadata = Map<string, GgufValue>;

function tokenizerOf(metadata: ReadonlyMap<string, GgufValue>): Tokenizer {
  const model: GgufModel = { path: 'some.gguf', files: [], metadata, tensors: new Map() };
  const files = tokenizerFilesOf(model);
  const name = [...files.keys()].find((file) => file.startsWith('tokenizer.')) ?? '';
  const tokens = parseFolderTokens((file) => {
    const content = files.get(file)?.();
    return content === undefined ? undefined : { json: JSON.parse(content.toString()), source: file };
  });
  return parseTokenizer(Buffer.from(files.get(name)?.() ?? ''), 'some.gguf', {}, tokens);
}

const config: object = JSON.parse(readFileSync(`${goldenFolder}xverse/config.json`, 'utf8'));

/** The keys that our writer makes of a golden tokenizer, without the copy of its own files. */
function written(name: string): Metadata {
  const architecture = parseArchitecture({ ...config, vocab_size: 1024 }, 'config.json');
  const metadata = tokenizerMetadata(`${goldenFolder}tokenizers/${name}`, architecture);
  return new Map([...metadata].filter(([key]) => !key.startsWith('xinghe.')));
}

interface Line {
  readonly text: string;
  readonly ids: readonly number[];
}

function goldenLines(name: string): Line[] {
  return gunzipSync(readFileSync(`${goldenFolder}tokenizers/${name}.jsonl.gz`))
    .toString()
    .trim()
    .split('\n')
    .map((line): Line => JSON.parse(line));
}

/** As the golden SentencePiece models and tokenizers normalise; a GGUF has no place for it. */
function normalized(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .replace(/[\s\u2581]+/g, ' ')
    .trim();
}

describe.each([
  'bbpe_gpt2',
  'bbpe_digits',
  'bbpe_llama3_regex',
  'spm_bpe_bytefallback',
  'bpe_bytefallback_json',
])('%s, written for llama.cpp and read again', (name) => {
  const tokenizer = tokenizerOf(written(name));

  test('gives the ids of the golden lines, but for what llama.cpp does not normalise', () => {
    // A GGUF declares control pieces, which SentencePiece alone does not see in a text.
    const isPlain = (text: string): boolean => !name.startsWith('spm') || !text.includes('<');
    const lines = goldenLines(name).filter(({ text }) => text === normalized(text) && isPlain(text));
    expect(lines.length).toBeGreaterThan(50);
    for (const { text, ids } of lines) expect(tokenizer.encode(text), text).toEqual(ids);
  });
});

const BYTES = [...Array(256).keys()].map((byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const texts = (value: readonly string[]): GgufValue => ({ type: 'array', itemType: 'string', value });
const numbers = (itemType: 'int32' | 'float32', value: readonly number[]): GgufValue => ({
  type: 'array',
  itemType,
  value,
});
const text = (value: string): GgufValue => ({ type: 'string', value });
const flag = (value: boolean): GgufValue => ({ type: 'bool', value });
const id = (value: number): GgufValue => ({ type: 'uint32', value });

function changed(
  metadata: ReadonlyMap<string, GgufValue>,
  changes: Record<string, GgufValue | undefined>,
): Metadata {
  const result = new Map(metadata);
  for (const [key, value] of Object.entries(changes))
    if (value === undefined) result.delete(key);
    else result.set(key, value);
  return result;
}

/** Letters and two merges, and tokens of other types. */
const gpt2: Metadata = new Map([
  ['tokenizer.ggml.model', text('gpt2')],
  ['tokenizer.ggml.pre', text('gpt-2')],
  [
    'tokenizer.ggml.tokens',
    texts(['<|a|>', '<b>', 'a', 'b', '1', '2', 'Ġ', 'ab', 'aba', '12', '<unk>', '[PAD11]', 'abab']),
  ],
  ['tokenizer.ggml.token_type', numbers('int32', [3, 4, 1, 1, 1, 1, 1, 1, 1, 1, 2, 5, 1])],
  ['tokenizer.ggml.merges', texts(['a b', 'ab a', '1 2'])],
  ['tokenizer.ggml.bos_token_id', id(0)],
  ['tokenizer.ggml.eos_token_id', id(1)],
  ['tokenizer.ggml.unknown_token_id', id(10)],
]);

describe('byte-level BPE', () => {
  test('every token but the unused ones is in the vocabulary, where other programs look for its id', () => {
    const model: GgufModel = { path: 'some.gguf', files: [], metadata: gpt2, tensors: new Map() };
    const json = JSON.parse(tokenizerFilesOf(model).get('tokenizer.json')?.().toString() ?? '');
    expect(json.model.vocab).toMatchObject({ '<|a|>': 0, '<b>': 1, a: 2, '<unk>': 10, abab: 12 });
    expect(json.model.vocab).not.toHaveProperty('[PAD11]');
    expect(json.added_tokens.map((token: { id: number }) => token.id)).toEqual([0, 1, 10]);
  });

  test('control tokens are special, user-defined ones are seen, unused ones are none', () => {
    const tokenizer = tokenizerOf(gpt2);
    expect(tokenizer.encode('<|a|>ab<b>a<unk>')).toEqual([0, 7, 1, 2, 10]);
    expect(tokenizer.decode([0, 7, 1, 2, 10], { skipSpecialTokens: true })).toBe('ab<b>a');
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.unkTokenId]).toEqual([0, 1, 10]);
    expect(tokenizer.padTokenId).toBeUndefined();
    expect(() => tokenizer.idToToken(11)).toThrow(InputError);
  });

  test.each([
    ['gpt-2', false, undefined, [9], [9]],
    ['smollm', false, undefined, [4, 5], [4, 5]],
    ['starcoder', false, undefined, [4, 5], [4, 5]],
    ['refact', false, undefined, [4, 5], [4, 5]],
    ['command-r', false, undefined, [4, 5], [4, 5]],
    ['qwen2', false, undefined, [4, 5], [4, 5]],
    ['deepseek-r1-qwen', false, undefined, [4, 5], [4, 5]],
    ['smaug-bpe', false, undefined, [9], [9]],
    ['llama-bpe', true, undefined, [9], [0, 9]],
    ['llama3', true, undefined, [9], [0, 9]],
    ['llama-v3', true, false, [9], [9]],
    ['gpt-2', false, true, [9], [0, 9]],
  ])('%s cuts words by its rule', (pre, ignoresMerges, addsBos, ids, framed) => {
    const tokenizer = tokenizerOf(
      changed(gpt2, {
        'tokenizer.ggml.pre': text(pre),
        'tokenizer.ggml.add_bos_token': addsBos === undefined ? undefined : flag(addsBos),
      }),
    );
    expect(tokenizer.encode('12')).toEqual(ids);
    expect(tokenizer.encode('12', { addSpecialTokens: true })).toEqual(framed);
    // No merges lead to it.
    expect(tokenizer.encode('abab')).toEqual(ignoresMerges ? [12] : [7, 7]);
  });

  test('add_eos_token and add_space_prefix', () => {
    const keys = {
      'tokenizer.ggml.add_eos_token': flag(true),
      'tokenizer.ggml.add_space_prefix': flag(true),
    };
    const tokenizer = tokenizerOf(changed(gpt2, keys));
    expect(tokenizer.encode('a', { addSpecialTokens: true })).toEqual([6, 2, 1]);
  });

  test.each([text('default'), undefined])('a rule that is not said is GPT-2’s, with a warning', (pre) => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      expect(tokenizerOf(changed(gpt2, { 'tokenizer.ggml.pre': pre })).encode('12')).toEqual([9]);
      expect(write.mock.calls.join('')).toContain("GPT-2's rule is taken, ids may differ");
    } finally {
      write.mockRestore();
    }
  });

  test.each<[string, Record<string, GgufValue | undefined>, string]>([
    ['an unknown rule', { 'tokenizer.ggml.pre': text('tekken') }, 'tokenizer.ggml.pre is "tekken"'],
    ['an unknown tokenizer', { 'tokenizer.ggml.model': text('t5') }, 'tokenizer.ggml.model is "t5"'],
    ['no tokens', { 'tokenizer.ggml.tokens': undefined }, 'tokenizer.ggml.tokens is missing'],
    ['no merges', { 'tokenizer.ggml.merges': undefined }, 'tokenizer.ggml.merges is missing'],
    ['a merge of three', { 'tokenizer.ggml.merges': texts(['a b c']) }, 'entry 0, "a b c"'],
    [
      'fewer types',
      { 'tokenizer.ggml.token_type': numbers('int32', [1]) },
      'has 1 entries, but there are 13',
    ],
    [
      'an unknown type',
      { 'tokenizer.ggml.token_type': numbers('int32', Array(13).fill(9)) },
      'is 9 for token 0',
    ],
    ['a token twice', { 'tokenizer.ggml.tokens': texts(Array(13).fill('a')) }, '"a" is both token 0 and 1'],
    ['an end beyond the tokens', { 'tokenizer.ggml.eos_token_id': id(13) }, 'eos_token_id is 13'],
    ['a list for a name', { 'tokenizer.ggml.pre': texts(['a']) }, 'must be a text, found a list of 1'],
  ])('%s is refused', (_what, changes, message) => {
    const read = () => tokenizerOf(changed(gpt2, changes));
    expect(read).toThrow(InputError);
    expect(read).toThrow(`some.gguf: `);
    expect(read).toThrow(message);
  });
});

const llama: Metadata = new Map([
  ['tokenizer.ggml.model', text('llama')],
  ['tokenizer.ggml.tokens', texts(['<unk>', '<s>', '</s>', ...BYTES, '▁', 'a', 'b', 'ab', '▁ab', '<u>'])],
  ['tokenizer.ggml.token_type', numbers('int32', [2, 3, 3, ...BYTES.map(() => 6), 1, 1, 1, 1, 1, 4])],
  ['tokenizer.ggml.scores', numbers('float32', [0, 0, 0, ...BYTES.map(() => 0), -9, -8, -7, -1, -2, 0])],
  ['tokenizer.ggml.bos_token_id', id(1)],
  ['tokenizer.ggml.eos_token_id', id(2)],
]);

describe('SentencePiece', () => {
  test('merges by score, unknown characters by their bytes, bos unless the file says otherwise', () => {
    const tokenizer = tokenizerOf(llama);
    expect(tokenizer.encode('ab')).toEqual([263]);
    expect(tokenizer.encode('ab', { addSpecialTokens: true })).toEqual([1, 263]);
    expect(tokenizer.encode('é')).toEqual([259, 3 + 0xc3, 3 + 0xa9]);
    expect(tokenizer.encode('<s>ab</s><u>ab')).toEqual([1, 263, 2, 264, 263]);
    expect(tokenizer.decode([1, 263, 264, 2], { skipSpecialTokens: true })).toBe('ab<u>');
    const bare = tokenizerOf(
      changed(llama, {
        'tokenizer.ggml.add_bos_token': flag(false),
        'tokenizer.ggml.add_eos_token': flag(true),
        'tokenizer.ggml.add_space_prefix': flag(false),
      }),
    );
    expect(bare.encode('ab', { addSpecialTokens: true })).toEqual([262, 2]);
  });

  test('the unknown token is named where no type tells it', () => {
    const types = [1, 3, 3, ...BYTES.map(() => 6), 1, 1, 1, 1, 1, 4];
    const changes = { 'tokenizer.ggml.token_type': numbers('int32', types) };
    const named = { ...changes, 'tokenizer.ggml.unknown_token_id': id(0) };
    expect(tokenizerOf(changed(llama, named)).unkTokenId).toBe(0);
    expect(() => tokenizerOf(changed(llama, changes))).toThrow('0 tokens are of the type unknown');
  });

  test('a damaged list, and rules that it cannot have, are refused', () => {
    const read = (changes: Record<string, GgufValue | undefined>) => () =>
      tokenizerOf(changed(llama, changes));
    expect(read({ 'tokenizer.ggml.scores': numbers('float32', [1]) })).toThrow('scores has 1 entries');
    expect(read({ 'tokenizer.ggml.scores': undefined })).toThrow('scores is missing');
    expect(read({ 'tokenizer.ggml.precompiled_charsmap': numbers('int32', [1]) })).toThrow('charsmap');
    expect(read({ 'tokenizer.ggml.remove_extra_whitespaces': flag(true) })).toThrow('remove_extra');
  });
});

test('files beside the tokenizer: template, roles, ends', () => {
  const files = tokenizerFilesOf({
    path: 'some.gguf',
    files: [],
    tensors: new Map(),
    metadata: changed(gpt2, {
      'tokenizer.chat_template': text('{{ "<|a|>" }}'),
      'tokenizer.ggml.eot_token_id': id(0),
    }),
  });
  const json = (name: string) => JSON.parse(files.get(name)?.().toString() ?? '');
  expect(json('tokenizer_config.json')).toMatchObject({
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<|a|>',
    eos_token: '<b>',
    unk_token: '<unk>',
    chat_template: '{{ "<|a|>" }}',
  });
  expect(json('generation_config.json')).toEqual({ bos_token_id: 0, eos_token_id: [1, 0] });
  const none = new Map([['tokenizer.ggml.model', text('no_vocab')]]);
  expect(tokenizerFilesOf({ path: '', files: [], tensors: new Map(), metadata: none }).size).toBe(0);
});

test('named templates and sampling of a GGUF are those of a folder; what has no counterpart is said', () => {
  const real = (value: number): GgufValue => ({ type: 'float32', value });
  const metadata = changed(gpt2, {
    'tokenizer.chat_template': text('plain'),
    'tokenizer.chat_templates': texts(['tool_use']),
    'tokenizer.chat_template.tool_use': text('tools'),
    'general.sampling.temp': real(Math.fround(0.6)),
    'general.sampling.top_k': { type: 'int32', value: 20 },
    'general.sampling.top_p': real(Math.fround(0.95)),
    'general.sampling.min_p': real(0),
    'general.sampling.penalty_repeat': real(Math.fround(1.05)),
    'general.sampling.mirostat': { type: 'int32', value: 2 },
  });
  const said = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  const files = tokenizerFilesOf({ path: 'some.gguf', files: [], metadata, tensors: new Map() });
  const read = (name: string): unknown => JSON.parse(files.get(name)?.().toString() ?? '');
  expect(read('tokenizer_config.json')).toMatchObject({
    chat_template: [
      { name: 'default', template: 'plain' },
      { name: 'tool_use', template: 'tools' },
    ],
  });
  expect(read('generation_config.json')).toMatchObject({
    temperature: 0.6,
    top_k: 20,
    top_p: 0.95,
    min_p: 0,
    repetition_penalty: 1.05,
  });
  expect(said.mock.calls.join('')).toContain('general.sampling.mirostat: not read');
  expect(said.mock.calls.join('')).not.toContain('general.sampling.temp');
  said.mockRestore();
});
