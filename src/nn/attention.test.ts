/** Windowed attention in slices against the formula over all pairs of tokens. */
import { describe, expect, test } from 'vitest';
import { floatTensor, intTensor, RandomGenerator, randn, scope, type Tensor } from '../tensor/index.js';
import { type AttentionMask, attention, documentMask } from './attention.js';

const [BATCH, HEADS, TOKENS, DIM] = [2, 3, 23, 8];

function heads(seed: number): Tensor {
  return randn([BATCH, HEADS, TOKENS, DIM], new RandomGenerator(seed)).to('float64');
}

/** softmax(q k^T / sqrt(E)) v with a number for each pair. @param sees whether the query i of a row sees the key j */
function byFormula(
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  sees: (row: number, i: number, j: number) => boolean,
): Tensor {
  const bias = Array.from({ length: BATCH * TOKENS * TOKENS }, (_, index) => {
    const [row, i, j] = [
      Math.floor(index / TOKENS ** 2),
      Math.floor(index / TOKENS) % TOKENS,
      index % TOKENS,
    ];
    return sees(row, i, j) ? 0 : Number.NEGATIVE_INFINITY;
  });
  const scores = q.matmul(k.transpose(2, 3)).mul(1 / Math.sqrt(DIM));
  const seen = scores.add(floatTensor(bias, [BATCH, 1, TOKENS, TOKENS], { dtype: 'float64' }));
  return seen.softmax(-1).matmul(v);
}

function difference(a: Tensor, b: Tensor): number {
  return a.sub(b).abs().max().item();
}

/** Padding before the first row's text, and in the middle of the second's. */
const isPadded = (row: number, token: number): boolean => (row === 0 ? token < 9 : token > 4 && token < 14);
const keyValid = (): Tensor =>
  intTensor(
    Array.from({ length: BATCH * TOKENS }, (_, index) =>
      isPadded(Math.floor(index / TOKENS), index % TOKENS) ? 0 : 1,
    ),
    [BATCH, TOKENS],
  ).ne(0);

describe.each([1, 4, 7, 22])('in slices of %i queries', (sliceLength) => {
  test.each([1, 3, 4, 5, 11, 22])('a window of %i tokens', (window) => {
    scope(() => {
      const qkv = [heads(1), heads(2), heads(3)] as const;
      const inWindow = (i: number, j: number): boolean => j <= i && j > i - window;
      const mask: AttentionMask = { window, keyValid: undefined };
      const whole = attention(...qkv, mask);
      const sliced = attention(...qkv, mask, { sliceLength });
      expect(difference(sliced, whole)).toBeLessThan(1e-12);
      expect(
        difference(
          sliced,
          byFormula(qkv, (_, i, j) => inWindow(i, j)),
        ),
      ).toBeLessThan(1e-12);

      const padded: AttentionMask = { window, keyValid: keyValid() };
      const slicedPadded = attention(...qkv, padded, { sliceLength });
      expect(difference(slicedPadded, attention(...qkv, padded))).toBeLessThan(1e-12);
      // A padded query sees itself beside what it may, so that no row is without a key.
      const sees = (row: number, i: number, j: number): boolean =>
        i === j || (inWindow(i, j) && !isPadded(row, j));
      expect(difference(slicedPadded, byFormula(qkv, sees))).toBeLessThan(1e-12);
    });
  });
});

test('a document that is longer than a slice', () => {
  scope(() => {
    const qkv = [heads(1), heads(2), heads(3)] as const;
    const lengths = [
      [3, 20],
      [16, 7],
    ];
    const documents = documentMask(lengths, 5, 'cpu');
    const mask = { window: 5, keyValid: undefined };
    const whole = attention(...qkv, { ...mask, documents });
    const sliced = attention(
      ...qkv,
      { ...mask, documents: { ...documents, visible: undefined } },
      { sliceLength: 4 },
    );
    expect(difference(sliced, whole)).toBeLessThan(1e-12);
  });
});
