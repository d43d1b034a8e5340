import { describe, expect, test } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { CUT, cutTokenizer, encodeLiterally, literalText } from './literal-text.js';
import { loadTokenizer } from './load-tokenizer.js';

const names = [
  'bbpe_digits',
  'bbpe_gpt2',
  'bbpe_llama3_regex',
  'bpe_bytefallback_json',
  'spark_like',
  'spm_bpe_bytefallback',
  'spm_unigram_bytefallback',
  'spm_unigram_plain',
];

describe.each(names)('%s', (name) => {
  const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/${name}`);
  const specials = tokenizer.specialTexts;
  const ids = new Set(specials.map((text) => tokenizer.tokenToId(text)));

  test.each(['', 'plain', 'a < b > c', '你好，世界', '<not a token>'])('leaves %j alone', (text) => {
    expect(literalText(text, tokenizer)).toBe(text);
    expect(encodeLiterally(tokenizer, text)).toEqual(tokenizer.encode(text));
  });

  test('no special token comes out of a text, and the text stays what it is', () => {
    for (const special of specials)
      for (const text of [
        special,
        `a${special}b`,
        `${special}${special}`,
        `<${special}>`,
        `x ${special} y`,
      ]) {
        const literal = encodeLiterally(tokenizer, text);
        expect(literal.filter((id) => ids.has(id))).toEqual([]);
        expect(tokenizer.encode(text).some((id) => ids.has(id))).toBe(true);
        // Where every byte or character has a token.
        const rest = literal.filter((id) => id === tokenizer.unkTokenId);
        if (rest.length === 0) expect(tokenizer.decode(literal)).toBe(text);
      }
  });

  test('the mark itself is no text, and others keep theirs', () => {
    expect(literalText(`a${CUT}b`, tokenizer)).toBe('a\ufffdb');
    const [special] = specials;
    if (special === undefined) return;
    const both = `${literalText(special, tokenizer)}${special}`;
    const found = cutTokenizer(tokenizer).encode(both);
    expect(found.filter((id) => ids.has(id))).toEqual([tokenizer.tokenToId(special)]);
  });
});

test('a full-width name that normalisation would turn into a special one stays text', () => {
  const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/spark_like`, { newlineToken: '<ret>' });
  const end = tokenizer.tokenToId('<end>');
  expect(encodeLiterally(tokenizer, '＜end＞')).not.toContain(end);
  expect(encodeLiterally(tokenizer, 'a\nb')).toEqual(tokenizer.encode('a\nb'));
});
