import { describe, expect, it } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { loadTokenizer } from '../load-tokenizer.js';
import { FertilityMeter, fertilityRates } from './fertility.js';

const tokenizer = (name: string) => loadTokenizer(`${goldenFolder}tokenizers/${name}`);
const text = 'The answer is 42。天气很好, मौसम अच्छा है';

describe('FertilityMeter', () => {
  it.each(['bbpe_gpt2', 'spm_bpe_bytefallback', 'spm_unigram_plain'])(
    '%s: the parts add up to the whole',
    (name) => {
      const meter = new FertilityMeter(tokenizer(name));
      meter.add(text);
      const all = meter.counts();
      expect(all.tokens).toBe(tokenizer(name).encode(text).length);
      expect(all.characters).toBe([...text].length);
      expect(all.bytes).toBe(Buffer.byteLength(text));
      expect(meter.counts('chinese').words).toBe(2); // 天气, 很好
      expect(meter.counts('latin')).toMatchObject({ words: 3, characters: 'The answer is'.length });
      expect(meter.counts('digits_and_code').words).toBe(1);
      expect(meter.counts('other').words).toBe(3);
      for (const writing of ['chinese', 'latin', 'digits_and_code', 'other'] as const) {
        expect(meter.counts(writing).tokens, writing).toBeGreaterThan(0);
      }
    },
  );

  it('counts unknown pieces, and with them the characters they stand for', () => {
    const meter = new FertilityMeter(tokenizer('spm_unigram_plain'));
    meter.add('天气很好');
    expect(meter.counts().unknown).toBe(0);
    meter.add('मौसम');
    expect(meter.counts().unknown).toBeGreaterThan(0);
    expect(meter.counts('other').unknown).toBe(meter.counts().unknown);
  });

  it('gives rates, of nothing zeros', () => {
    const counts = { characters: 10, bytes: 20, words: 4, tokens: 5, unknown: 1 };
    expect(fertilityRates(counts)).toEqual({
      tokens_per_character: 0.5,
      tokens_per_word: 1.25,
      bytes_per_token: 4,
      unknown_rate: 0.2,
    });
    const none = new FertilityMeter(tokenizer('bbpe_gpt2')).counts();
    expect(Object.values(fertilityRates(none))).toEqual([0, 0, 0, 0]);
  });
});
