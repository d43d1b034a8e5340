import { describe, expect, it } from 'vitest';
import { InputError } from '../../errors/index.js';
import { parseTokenizer } from '../load-tokenizer.js';
import { trainByteLevelBpe } from './train-byte-level-bpe.js';

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
