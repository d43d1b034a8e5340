import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../errors/index.js';
import { loadTokenizer, parseTokenizer } from './load-tokenizer.js';

const golden = join(import.meta.dirname, '..', '..', 'tests', 'golden', 'tokenizers');
const folder = mkdtempSync(join(tmpdir(), 'xinghe-tokenizers-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The JSON of a golden file with some parts replaced, loaded. */
function variant(name: string, change: (json: Record<string, unknown>) => Record<string, unknown>) {
  const json: Record<string, unknown> = JSON.parse(
    readFileSync(join(golden, name, 'tokenizer.json'), 'utf8'),
  );
  return parseTokenizer(Buffer.from(JSON.stringify({ ...json, ...change(json) })), 'tokenizer.json');
}

const tokensOf = (tokenizer: ReturnType<typeof loadTokenizer>, text: string) =>
  tokenizer.encode(text).map((id) => tokenizer.idToToken(id));

describe('loadTokenizer', () => {
  it('names special tokens from the model itself', () => {
    const tokenizer = loadTokenizer(join(golden, 'spark_like', 'tokenizer.model'));
    expect([tokenizer.padTokenId, tokenizer.bosTokenId, tokenizer.unkTokenId, tokenizer.eosTokenId]).toEqual([
      0, 1, 2, 3,
    ]);
    expect(tokenizer.vocabSize).toBe(900);
    expect(tokenizer.tokenToId('<end>')).toBe(5);
    expect(tokenizer.tokenToId('no such token')).toBeUndefined();
  });

  it("honours the folder's files beside a .model: roles, added tokens, single words", () => {
    const path = join(folder, 'sentencepiece');
    writeFolder(path, {
      'tokenizer.model': readFileSync(join(golden, 'spm_unigram_bytefallback', 'tokenizer.model')),
      'tokenizer_config.json': JSON.stringify({
        bos_token: '<s>',
        eos_token: { content: '</s>', single_word: true },
        additional_special_tokens: ['<tool>'],
        add_bos_token: true,
      }),
    });
    const tokenizer = loadTokenizer(path);
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.unkTokenId]).toEqual([1, 2, 0]);
    expect(tokenizer.vocabSize).toBe(901);
    expect(tokenizer.tokenToId('<tool>')).toBe(900);
    const bare = (text: string) => loadTokenizer(join(path, 'tokenizer.model')).encode(text);
    expect(tokenizer.encode('a<s>b<tool>')).toEqual([...bare('a'), 1, ...bare('b'), 900]);
    expect(tokenizer.encode('a </s> b')).toEqual([...bare('a '), 2, ...bare(' b')]);
    expect(tokenizer.encode('a</s>b')).toEqual([...bare('a</s>'), ...bare('b')]);
    expect(tokenizer.encode('a', { addSpecialTokens: true })).toEqual([1, ...bare('a')]);
    expect(tokenizer.decode([1, ...bare('a'), 900], { skipSpecialTokens: true })).toBe('a');
  });

  it('names special tokens of a tokenizer.json from its folder and frames by its template', () => {
    const path = join(folder, 'json');
    const json: object = JSON.parse(readFileSync(join(golden, 'bbpe_gpt2', 'tokenizer.json'), 'utf8'));
    const template = {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: 'bos', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      special_tokens: { bos: { id: 'bos', ids: [2], tokens: ['<|startoftext|>'] } },
    };
    writeFolder(path, {
      'tokenizer.json': JSON.stringify({ ...json, post_processor: template }),
      'special_tokens_map.json': JSON.stringify({
        bos_token: '<|startoftext|>',
        eos_token: { content: '<|endoftext|>' },
      }),
    });
    const tokenizer = loadTokenizer(path);
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId]).toEqual([2, 3, undefined]);
    expect(tokenizer.encode('a', { addSpecialTokens: true })).toEqual([2, ...tokenizer.encode('a')]);
  });

  it.each([
    ['a missing file', 'nowhere.model', undefined, /nowhere\.model cannot be read/],
    ['an empty file', 'empty.model', '', /no pieces/],
    ['text', 'text.model', 'just some text', /not a valid protobuf message at byte|no pieces/],
    ['cut JSON', 'cut.json', '{"model": {"type": "BPE", "vocab": {"a": 0', /cut\.json:1:\d+: not valid JSON/],
    [
      'another model',
      'wp.json',
      '{"model": {"type": "WordPiece"}}',
      /model: the model "WordPiece" is not supported/,
    ],
    [
      'a lying merge',
      'm.json',
      '{"model": {"vocab": {"a": 0}, "merges": ["a b"]}}',
      /merges\[0\]: "b" is not in the voc/,
    ],
    [
      'a huge id',
      'id.json',
      '{"model": {"vocab": {"a": 99999999}, "merges": []}}',
      /vocab\.a must be an integer from 0/,
    ],
    [
      'an unknown step',
      'step.json',
      '{"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Juman"}]}, "model": {}}',
      /pre_tokenizer\.pretokenizers\[0\]: the pre-tokenizer "Juman" is not supported/,
    ],
  ])('refuses %s, saying where', (_, name, content, message) => {
    const path = join(folder, name);
    if (content !== undefined) writeFileSync(path, content);
    expect(() => loadTokenizer(path)).toThrow(InputError);
    expect(() => loadTokenizer(path)).toThrow(message);
  });

  it('refuses ids outside the vocabulary', () => {
    for (const name of ['bbpe_gpt2', 'spark_like']) {
      const tokenizer = loadTokenizer(join(golden, name));
      for (const id of [-1, 0.5, tokenizer.vocabSize, Number.NaN]) {
        expect(() => tokenizer.idToToken(id), String(id)).toThrow(InputError);
        expect(() => tokenizer.decode([id]), String(id)).toThrow(InputError);
      }
    }
  });

  it('encodes a megabyte without a break in bounded time', () => {
    for (const name of ['bbpe_gpt2', 'bpe_bytefallback_json', 'spark_like', 'spm_unigram_plain']) {
      const tokenizer = loadTokenizer(join(golden, name));
      const started = performance.now();
      expect(tokenizer.encode('a'.repeat(2 ** 20)).length).toBeGreaterThan(1000);
      expect(performance.now() - started, `${name}: milliseconds for 1 MiB of "a"`).toBeLessThan(15_000);
    }
  });
});

describe('components of a tokenizer.json', () => {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
  const added = (content: string, rules: object) => ({ id: 4, content, special: true, ...rules });

  it('reads merges as strings or as pairs', () => {
    const text = 'the quick brown fox 今天天气';
    const pairs = variant('bbpe_gpt2', ({ model }) => {
      const { merges, ...rest }: { merges: string[] } = JSON.parse(JSON.stringify(model));
      return { model: { ...rest, merges: merges.map((merge) => merge.split(' ')) } };
    });
    expect(pairs.encode(text)).toEqual(loadTokenizer(join(golden, 'bbpe_gpt2')).encode(text));
  });

  it.each([
    ['lstrip and rstrip', { lstrip: true, rstrip: true }, 'a  <x> \n b', ['a', '<x>', 'b']],
    ['neither', {}, 'a <x> b', ['a', 'Ġ', '<x>', 'Ġb']],
    ['single_word', { single_word: true }, '<x>_<x>', ['<', 'x', '>', '_', '<', 'x', '>']],
  ])('added token with %s', (_, rules, text, tokens) => {
    // `<x>` takes the id of a token that the texts do not use.
    const tokenizer = variant('bbpe_gpt2', () => ({ added_tokens: [added('<x>', rules)] }));
    expect(tokensOf(tokenizer, text)).toEqual(tokens);
  });

  it.each([
    ['Removed', false, ['a', 'b']],
    ['Isolated', false, ['a', '-', '-', 'b']],
    ['MergedWithPrevious', false, ['a-', '-', 'b']],
    ['MergedWithNext', false, ['a', '-', '-b']],
    ['Contiguous', false, ['a', '--', 'b']],
    ['Removed', true, ['-', '-']],
  ])('Split %s, invert %s', (behavior, invert, words) => {
    const split = { type: 'Split', pattern: { String: '-' }, behavior, invert };
    const tokenizer = variant('bbpe_gpt2', () => ({
      pre_tokenizer: { type: 'Sequence', pretokenizers: [split, byteLevel] },
      model: {
        type: 'BPE',
        ignore_merges: true,
        merges: [],
        vocab: { a: 4, b: 5, '-': 6, '--': 7, 'a-': 8, '-b': 9 },
      },
    }));
    expect(tokensOf(tokenizer, 'a--b')).toEqual(words);
  });

  it('refuses patterns outside the subset', () => {
    for (const pattern of ['(a)\\1', '[[:alpha:]]', '[a&&b]', '(?<n>a)', 'a{2}+', '(', '\\G']) {
      const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated' };
      expect(() => variant('bbpe_gpt2', () => ({ pre_tokenizer: split })), pattern).toThrow(InputError);
    }
  });
});

function writeFolder(path: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
}
