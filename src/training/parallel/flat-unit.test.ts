import { expect, test } from 'vitest';
import type { Collectives } from '../../distributed/index.js';
import { arange, noGrad, scope, type Tensor } from '../../tensor/index.js';
import { FlatUnit } from './flat-unit.js';

/** A rank of three; the others do what this one does. */
function rankOf(rank: number): Collectives {
  const size = 3;
  return {
    rank,
    size,
    allReduce: (values) => ({ wait: () => values.mul_(size) }),
    allGather: () => {
      throw new Error('the others are not there');
    },
    reduceScatter: (whole) => ({
      wait: () => {
        const length = whole.numElements / size;
        return whole
          .narrow(0, rank * length, length)
          .mul(size)
          .keep();
      },
    }),
    gatherNumbers: (values) => Array.from({ length: size }, () => [...values]),
    gatherTexts: (text) => Array.from({ length: size }, () => text),
  };
}

/** 2 x 5 and 3 and 4 elements: 17, filled up to 18. */
function parameters(): Map<string, Tensor> {
  const values = (first: number, count: number): Tensor => arange(first, first + count, { dtype: 'float64' });
  return new Map([
    ['a', values(0, 10).view([2, 5]).contiguous().keep()],
    ['b', values(10, 3).keep()],
    ['c', values(13, 4).keep()],
  ]);
}

test('every element is in the part of one rank, under its place in the parameter', () => {
  scope(() => {
    const found: Record<string, [start: number, values: number[]][]> = { a: [], b: [], c: [] };
    for (const rank of [0, 1, 2]) {
      const unit = new FlatUnit(parameters(), 'float64', rankOf(rank));
      expect(unit.length).toBe(18);
      for (const path of unit.paths) {
        const piece = unit.piece(path);
        if (piece !== undefined) found[path]?.push([piece.start, piece.values.toArray()]);
      }
    }
    expect(found).toEqual({
      a: [
        [0, [0, 1, 2, 3, 4, 5]],
        [6, [6, 7, 8, 9]],
      ],
      b: [
        [0, [10, 11]],
        [2, [12]],
      ],
      c: [[0, [13, 14, 15, 16]]],
    });
  });
});

test('parameters share the memory of the unit', () => {
  scope(() =>
    noGrad(() => {
      const all = parameters();
      const unit = new FlatUnit(all, 'float64', rankOf(0));
      unit.piece('a')?.values.fill_(-1);
      expect(all.get('a')?.shape).toEqual([2, 5]);
      expect(all.get('a')?.reshape([10]).toArray()).toEqual([-1, -1, -1, -1, -1, -1, 6, 7, 8, 9]);
    }),
  );
});

test.each([true, false])('a part of a parameter is written where it belongs, released: %s', (isReleased) => {
  scope(() => {
    const results = [0, 1, 2].map((rank) => {
      const unit = new FlatUnit(parameters(), 'float64', rankOf(rank), isReleased);
      unit.write('a', arange(100, 104, { dtype: 'float64' }), 4);
      return unit.piece('a')?.values.toArray();
    });
    expect(results).toEqual([[0, 1, 2, 3, 100, 101], [102, 103, 8, 9], undefined]);
  });
});

test('gradients: this rank gets its part of the sum, and each parameter finds its piece in it', () => {
  scope(() => {
    const unit = new FlatUnit(parameters(), 'float64', rankOf(1));
    const part = unit.reduceScatter(new Map([['b', arange(1, 4, { dtype: 'float64' })]]), 'float64').wait();
    expect(part.toArray()).toEqual([0, 0, 0, 0, 3, 6]);
    expect(unit.pieceIn(part, 'b')?.toArray()).toEqual([3, 6]);
    expect(unit.pieceIn(part, 'a')?.toArray()).toEqual([0, 0, 0, 0]);
    expect(unit.pieceIn(part, 'c')).toBeUndefined();
    const whole = unit.allReduce(new Map([['b', arange(1, 4, { dtype: 'float64' })]]), 'float64').wait();
    expect(unit.wholeIn(whole, 'b').toArray()).toEqual([3, 6, 9]);
    expect(unit.wholeIn(whole, 'a').shape).toEqual([2, 5]);
    part.dispose();
    whole.dispose();
  });
});
