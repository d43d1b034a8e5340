import { expect, test } from 'vitest';
import { runLoad } from './support/serving-load.js';

test('200 streams for a minute, a tenth hanging up: every request is answered or refused rightly, nothing stays', async () => {
  const { wrong, counts, firstTokenMs, betweenTokensMs, tokensPerSecond } = await runLoad(200, 60);
  console.log({ counts, firstTokenMs, betweenTokensMs, tokensPerSecond });
  expect(wrong).toEqual([]);
  expect(counts).not.toHaveProperty('WRONG');
  expect(counts.stream).toBeGreaterThan(500);
});
