import { describe, expect, test } from 'vitest';
import { llama3Divisors } from '../llama-parts/rotation.js';
import { fitLlama3 } from './rope-divisors.js';

const float32 = (values: readonly number[]): number[] => values.map(Math.fround);

describe('Llama 3 scaling from its divisors', () => {
  test.each([
    ['Llama 3.1', 500_000, 128, 8, 4, 8192],
    ['Llama 3.2, 1B', 500_000, 64, 32, 4, 8192],
    ['the small golden models', 10_000, 32, 8, 4, 64],
    ['another ratio', 10_000, 64, 16, 2.5, 2048],
    ['few frequencies', 500_000, 8, 8, 4, 8192],
  ])('%s', (_what, base, headDim, factor, high, original) => {
    const divisors = llama3Divisors(base, headDim, {
      factor,
      lowFreqFactor: 1,
      highFreqFactor: high,
      original,
    });
    const found = fitLlama3(float32(divisors), base);
    if (found === undefined) throw new TypeError('no fit');
    const again = llama3Divisors(base, headDim, {
      factor: found.factor,
      lowFreqFactor: found.low_freq_factor,
      highFreqFactor: found.high_freq_factor,
      original: found.original_max_position_embeddings,
    });
    for (const [j, divisor] of again.entries()) expect(divisor / (divisors[j] ?? 0)).toBeCloseTo(1, 5);
    if (headDim > 8)
      expect(found).toEqual({
        factor,
        low_freq_factor: 1,
        high_freq_factor: high,
        original_max_position_embeddings: original,
      });
  });

  test('what it cannot have made is none', () => {
    expect(fitLlama3([1, 1, 2, 1.5], 10_000)).toBeUndefined();
    expect(fitLlama3([0.5, 1, 2, 2], 10_000)).toBeUndefined();
    expect(fitLlama3([1, 1, 1, 1], 10_000)).toBeUndefined();
    const twisted = llama3Divisors(10_000, 64, {
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      original: 256,
    });
    expect(fitLlama3(float32(twisted), 10_000)).toBeDefined();
    twisted[20] = (twisted[20] ?? 1) * 1.001;
    expect(fitLlama3(float32(twisted), 10_000)).toBeUndefined();
  });
});
