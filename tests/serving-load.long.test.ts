import { expect, test } from 'vitest';
import { runLoad } from './support/serving-load.js';

test('200 streams for a minute, a tenth hanging up: every request is answered or refused rightly, nothing stays', async () => {
  const { wrong, counts, firstTokenMs, betweenTokensMs, tokensPerSecond } = await runLoad(200, 60);
  console.log({ counts, firstTokenMs, betweenTokensMs, tokensPerSecond });
  expect(wrong).toEqual([]);
  expect(counts).not.toHaveProperty('WRONG');
  expect(counts.stream).toBeGreaterThan(500);
});

test('a few seconds of streams, hang-ups, slow readers and malformed bodies leave nothing behind', async () => {
  const { wrong, counts } = await runLoad(24, 3);
  expect(wrong).toEqual([]);
  expect(counts).not.toHaveProperty('WRONG');
  expect(counts.stream).toBeGreaterThan(20);
  expect(counts['hung up']).toBeGreaterThan(1);
});
