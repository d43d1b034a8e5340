/** The cache of grouped heads and of layers with windows of their own, against attention over whole rows. */
import { expect, it } from 'vitest';
import { noGrad, RandomGenerator, randn, scope, type Tensor } from '../tensor/index.js';
import { attention } from './attention.js';
import { PagedKvCache, type PagedKvCacheOptions, pagedBlockBytes } from './paged-kv-cache.js';

const [HEADS, KV_HEADS, DIM, TOKENS] = [6, 2, 16, 45];

const options: PagedKvCacheOptions = {
  layers: 3,
  blocks: 5,
  numKvHeads: KV_HEADS,
  headDim: DIM,
  dtype: 'float32',
  device: 'cpu',
};

/** Results of each layer, the tokens given in pieces. */
function attendAll(cache: PagedKvCache, [q, k, v]: readonly Tensor[]): Tensor[] {
  if (q === undefined || k === undefined || v === undefined) throw new Error('three inputs');
  const pieces: [position: number, count: number][] = [
    [0, 30],
    [30, 14],
    [44, 1],
  ];
  const results: Tensor[] = [];
  for (const [position, count] of pieces) {
    const step = cache.prepare([{ count, position, blocks: [3, 0, 4], keyTable: 0 }]);
    const part = (x: Tensor): Tensor => x.narrow(2, position, count);
    for (let layer = 0; layer < options.layers; layer++)
      results[layer] = cache.attend(layer, part(q), part(k), part(v), step);
  }
  return results; // those of the last piece
}

it.each([
  { name: 'none', window: undefined, each: [undefined, undefined, undefined] },
  { name: 'one for all layers', window: 7, each: [7, 7, 7] },
  { name: 'one for each layer', window: [20, undefined, 4], each: [20, undefined, 4] },
])('attends with grouped heads and windows: $name', ({ window, each }) => {
  noGrad(() =>
    scope(() => {
      const random = (heads: number, seed: number): Tensor =>
        randn([1, heads, TOKENS, DIM], new RandomGenerator(seed));
      const inputs = [random(HEADS, 1), random(KV_HEADS, 2), random(KV_HEADS, 3)] as const;
      const cache = new PagedKvCache({ ...options, window });
      const last = attendAll(cache, inputs);
      for (const [layer, reach] of each.entries()) {
        const whole = attention(...inputs, { window: reach, keyValid: undefined });
        const result = last[layer];
        expect(
          result
            ?.sub(whole.narrow(2, TOKENS - 1, 1))
            .abs()
            .max()
            .item(),
          `layer ${layer}`,
        ).toBeLessThan(1e-6);
      }
      cache.dispose();
    }),
  );
});

it.each(['float32', 'int8'] as const)('a copy of a block is read as the block itself: %s', (dtype) => {
  noGrad(() =>
    scope(() => {
      const random = (heads: number, seed: number): Tensor =>
        randn([1, heads, TOKENS, DIM], new RandomGenerator(seed));
      const [q, k, v] = [random(HEADS, 1), random(KV_HEADS, 2), random(KV_HEADS, 3)];
      const cache = new PagedKvCache({ ...options, dtype });
      const at = (position: number, count: number, blocks: readonly number[]): Tensor[] => {
        const step = cache.prepare([{ count, position, blocks, keyTable: 0 }]);
        const part = (x: Tensor): Tensor => x.narrow(2, position, count);
        return Array.from({ length: options.layers }, (_, layer) =>
          cache.attend(layer, part(q), part(k), part(v), step),
        );
      };
      at(0, 44, [3, 0, 4]);
      // Token 35, in the block that is copied, is seen by nobody.
      cache.setAttentionMask([3, 0, 4], 35, [false]);
      cache.copyBlock(4, 1);
      expect([cache.hasMaskedTokens(1), cache.hasMaskedTokens(2)]).toEqual([true, false]);
      const copied = at(44, 1, [3, 0, 1]);
      for (const [layer, result] of at(44, 1, [3, 0, 4]).entries())
        expect(copied[layer]?.equals(result), `layer ${layer}`).toBe(true);
      cache.dispose();
    }),
  );
});

it('refuses windows for another number of layers', () => {
  expect(() => new PagedKvCache({ ...options, window: [4, 4] })).toThrow(
    /the cache has 3 layers; there are windows for 2/,
  );
});

it('counts the bytes of the heads of keys and values only', () => {
  const bytes = (numKvHeads: number, dtype: PagedKvCacheOptions['dtype']): number =>
    pagedBlockBytes({ layers: 40, numKvHeads, headDim: 128, dtype });
  // 40 layers, 8 of 32 heads: 160 KiB a token in bfloat16.
  expect(bytes(8, 'bfloat16') / 16).toBe(2 * 40 * 8 * 128 * 2);
  expect(bytes(8, 'bfloat16')).toBe(bytes(32, 'bfloat16') / 4);
  expect(bytes(8, 'int8') / 16).toBe(2 * 40 * 8 * (128 + 4));
});
