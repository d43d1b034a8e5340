import { expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import type { EngineSettings } from '../../generation/index.js';
import { type CacheConstraints, cacheTokens } from './cache-size.js';

/** 13B in bfloat16: 819 200 bytes for each token. */
const large: CacheConstraints = {
  bytesPerToken: 819_200,
  freeBytes: 30e9,
  maxLength: undefined,
  maxSequences: 64,
};

test.each<[string, EngineSettings, Partial<CacheConstraints>, number]>([
  ['a share of the memory', {}, {}, Math.floor((30e9 * 0.4) / 819_200)],
  ['more of it for the one text that must fit', {}, { maxLength: 20_000 }, 20_000],
  ['a bound for each sequence', {}, { maxSequences: 2 }, 8192],
  ['a bound for all', {}, { bytesPerToken: 1000 }, 262_144],
  ['unknown memory', {}, { freeBytes: undefined }, 16_384],
  ['tokens asked for', { cacheTokens: 999 }, {}, 999],
  ['bytes asked for', { cacheBytes: 8.192e9 }, {}, 10_000],
])('%s', (_, wish, change, tokens) => {
  expect(cacheTokens(wish, { ...large, ...change })).toBe(tokens);
});

test.each<[string, EngineSettings, Partial<CacheConstraints>, RegExp]>([
  [
    'too many',
    { cacheTokens: 50_000 },
    {},
    /50000 tokens needs 41\.0 GB \(819 kB for each token\), and 30\.0 GB/,
  ],
  [
    'too few for a text',
    { cacheTokens: 2000 },
    { maxLength: 4000 },
    /--kv-cache-tokens 2000 is too small: .* The least that works is --kv-cache-tokens 4000, or give a smaller/,
  ],
  [
    'too little memory asked for',
    { cacheBytes: 10_000 },
    {},
    /--kv-cache-memory of 10\.0 kB is too small: it holds 0 tokens \(819 kB for each token\), and a server needs 256\. The least that works is --kv-cache-memory 210MB\./,
  ],
  ['three tokens', { cacheTokens: 3 }, {}, /least that works is --kv-cache-tokens 256\./],
  ['no memory', {}, { freeBytes: 100e6 }, /fewer than the 256 of one text; 100 MB of memory are free/],
  ['no memory for a text', {}, { maxLength: 40_000 }, /fewer than the 40000/],
])('%s: refused with the numbers', (_, wish, change, message) => {
  const ask = (): number => cacheTokens(wish, { ...large, ...change });
  expect(ask).toThrow(InputError);
  expect(ask).toThrow(message);
});

test('what is said to work works', () => {
  expect(cacheTokens({ cacheBytes: 210e6 }, large)).toBe(256);
  expect(cacheTokens({ cacheTokens: 64 }, { ...large, maxLength: 64 })).toBe(64);
});
