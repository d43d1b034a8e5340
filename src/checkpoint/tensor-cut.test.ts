/** What each rank has of a tensor, and where it is in the whole. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arange, cat, scope, type Tensor, zeros } from '../tensor/index.js';
import { product, TensorCut } from './tensor-cut.js';

const cuts = fc
  .record({
    before: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    after: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    blocks: fc.integer({ min: 1, max: 3 }),
    ranks: fc.integer({ min: 1, max: 4 }),
    extra: fc.integer({ min: 0, max: 5 }),
  })
  .map(({ before, after, blocks, ranks, extra }) => ({
    shape: [...before, blocks * (ranks + extra), ...after],
    dim: before.length,
    blocks,
    ranks,
  }));

function wholeOf(shape: readonly number[]): Tensor {
  return arange(0, product(shape), { dtype: 'float64' }).view([...shape]);
}

test('parts are joined to the whole, and lie where their ranges say', () => {
  fc.assert(
    fc.property(cuts, ({ shape, dim, blocks, ranks }) => {
      scope(() => {
        const whole = wholeOf(shape);
        const seen = new Array<number>(product(shape)).fill(0);
        const all = Array.from(
          { length: ranks },
          (_, rank) => new TensorCut(shape, { dim, blocks }, rank, ranks),
        );
        const length = all[0]?.greatestPart ?? 0;
        const filled = all.map((cut) => {
          const part = cut.of(whole);
          expect(part.shape).toEqual(cut.partShape);
          const values = part.reshape([-1]).toArray();
          const places = cut
            .rangesOf(0, values.length)
            .flatMap((range) => Array.from({ length: range.length }, (_, index) => range.start + index));
          expect(places).toEqual(values);
          for (const place of places) seen[place] = (seen[place] ?? 0) + 1;
          const padding = zeros([length - values.length], { dtype: 'float64' });
          return cat([part.reshape([-1]), padding]);
        });
        // Every element is one rank's.
        expect(seen.every((count) => count === 1)).toBe(true);
        expect(all[0]?.join(cat(filled), length, 'float64').equals(whole)).toBe(true);
      });
    }),
    { numRuns: 100 },
  );
});

test('a piece of a part, as ZeRO has it', () => {
  const cut = new TensorCut([2, 6, 2], { dim: 1, blocks: 2 }, 1, 2);
  // Rows 2 and 5 of each matrix are not of rank 0: of 3 rows a block it has one.
  expect(cut.partShape).toEqual([2, 4, 2]);
  const places = (start: number, length: number): number[] =>
    cut
      .rangesOf(start, length)
      .flatMap((range) => Array.from({ length: range.length }, (_, at) => range.start + at));
  const all = places(0, 16);
  expect(all).toEqual([2, 3, 4, 5, 8, 9, 10, 11, 14, 15, 16, 17, 20, 21, 22, 23]);
  for (let start = 0; start < 16; start++)
    for (let length = 0; start + length <= 16; length++)
      expect(places(start, length)).toEqual(all.slice(start, start + length));
});

test('an index of the first dimension is cut as the whole', () => {
  scope(() => {
    const cut = new TensorCut([3, 4, 2], { dim: 2, blocks: 1 }, 1, 2);
    const whole = wholeOf([3, 4, 2]);
    expect(cut.of(whole.select(0, 1)).equals(cut.of(whole).select(0, 1))).toBe(true);
  });
});
