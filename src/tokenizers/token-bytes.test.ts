import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { InputError } from '../errors/index.js';
import { loadTokenizer } from './load-tokenizer.js';

const names = readdirSync(`${goldenFolder}tokenizers`).filter((name) => !name.includes('.'));

test.each(names)('%s: the bytes of all tokens of a text are the text', (name) => {
  const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/${name}`);
  for (const text of ['Hello world, hello!', '世界 and 2024', 'naïve 😀 ½', '{"a": [1, 2]}']) {
    const ids = tokenizer.encode(text);
    if (tokenizer.unkTokenId !== undefined && ids.includes(tokenizer.unkTokenId)) continue;
    const bytes = Buffer.concat(ids.map((id) => tokenizer.tokenBytes(id) ?? Buffer.from('?')));
    // The space before a text, which decoding leaves out, is a byte of its first token.
    expect(bytes.toString('utf8').replace(/^ /, '')).toBe(tokenizer.decode(ids));
  }
  for (const id of [tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.unkTokenId]) {
    if (id !== undefined) expect(tokenizer.tokenBytes(id), `${id}`).toBeUndefined();
  }
  expect(() => tokenizer.tokenBytes(tokenizer.vocabSize)).toThrow(InputError);
  expect(() => tokenizer.tokenBytes(-1)).toThrow(InputError);
});
