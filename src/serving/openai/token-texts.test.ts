import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import { TokenTexts } from './token-texts.js';

const folders = readdirSync(`${goldenFolder}tokenizers`, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

test.each(folders)('%s: the bytes of tokens, joined, are the text', (name) => {
  const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/${name}`);
  const tokens = new TokenTexts(tokenizer);
  const text = 'hello world, 你好，世界！ naïve 🙂 鑫 x';
  const ids = tokenizer.encode(text);
  const bytes = Buffer.concat(ids.map((id) => tokens.bytes(id))).toString('utf8');
  // Some put a space before every text; a plain vocabulary has no bytes for characters that it does not know.
  expect(bytes.trimStart()).toBe(tokenizer.decode(ids));
  if (!name.endsWith('plain')) expect(bytes).toContain('🙂');
});

test.each(folders)('%s: no name holds half a character', (name) => {
  const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/${name}`);
  const tokens = new TokenTexts(tokenizer);
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const text = tokens.name(id);
    expect(text).not.toContain('\ufffd');
    if (text.startsWith('bytes:'))
      expect(text).toBe(
        `bytes:${[...tokens.bytes(id)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`,
      );
  }
  expect(tokens.text(tokenizer.vocabSize + 5)).toBe('');
  expect(tokens.name(tokenizer.vocabSize + 5)).toBe('');
});
