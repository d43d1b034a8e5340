/** Counts of a request with several prompts and several choices of each. */
import { expect, test } from 'vitest';
import type { SequenceEnd } from '../../generation/index.js';
import { UsageMeter } from './usage.js';

const end = (changes: Partial<SequenceEnd>): SequenceEnd => ({
  finishReason: 'stop',
  stopReason: undefined,
  promptTokens: 0,
  cachedTokens: 0,
  generatedTokens: 0,
  queueMs: 0,
  prefillMs: 0,
  decodeMs: 0,
  ...changes,
});

test('the choices of a prompt count its tokens once, cached ones as the first choice found them', () => {
  const meter = new UsageMeter([100, 50], 3);
  // The second and third choice find the prompt that the first one has computed.
  const cached = [32, 96, 96, 16, 48, 48];
  for (const [index, cachedTokens] of cached.entries()) {
    meter.generated(index, 1);
    expect(meter.usageOf(index)).toMatchObject({
      prompt_tokens: index < 3 ? 100 : 50,
      completion_tokens: 1,
      prompt_tokens_details: { cached_tokens: 0 },
    });
    meter.ended(
      index,
      end({ cachedTokens, generatedTokens: 10 + index, prefillMs: 20 - index, decodeMs: 100 + index }),
    );
    expect(meter.usageOf(index)).toMatchObject({
      total_tokens: (index < 3 ? 100 : 50) + 10 + index,
      prompt_tokens_details: { cached_tokens: cachedTokens },
    });
  }
  expect(meter.usage).toEqual({
    prompt_tokens: 150,
    completion_tokens: 75,
    total_tokens: 225,
    prompt_tokens_details: { cached_tokens: 48 },
  });
  expect(meter.timings).toEqual({
    cache_n: 48,
    prompt_n: 102,
    prompt_ms: 20,
    prompt_per_second: 5100,
    predicted_n: 75,
    predicted_ms: 105,
    // The first token of each of the six came with the prompt.
    predicted_per_second: (1000 * 69) / 105,
  });
});

test('a choice that ended with fewer tokens than came counts those of its end', () => {
  const meter = new UsageMeter([5], 1);
  meter.generated(0, 7);
  meter.ended(0, end({ generatedTokens: 6 }));
  expect(meter.usage.completion_tokens).toBe(6);
});
