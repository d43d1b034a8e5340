import { expect, test } from 'vitest';
import { headsOfRank } from './selected-outputs.js';

test.each([
  // One head for all; one for two ranks; two for four.
  { heads: 4, kvHeads: 1, ranks: 2, wanted: [[0], [0]] },
  { heads: 4, kvHeads: 2, ranks: 4, wanted: [[0], [0], [1], [1]] },
  { heads: 8, kvHeads: 2, ranks: 4, wanted: [[0], [0], [1], [1]] },
  // The second of three is shared unevenly: each head of queries has its own.
  {
    heads: 6,
    kvHeads: 3,
    ranks: 2,
    wanted: [
      [0, 0, 1],
      [1, 2, 2],
    ],
  },
  // A head of each.
  {
    heads: 6,
    kvHeads: 6,
    ranks: 2,
    wanted: [
      [0, 1, 2],
      [3, 4, 5],
    ],
  },
])(
  '$heads heads of queries, $kvHeads of keys and values, $ranks ranks',
  ({ heads, kvHeads, ranks, wanted }) => {
    expect(Array.from({ length: ranks }, (_, rank) => headsOfRank(heads, kvHeads, rank, ranks))).toEqual(
      wanted,
    );
  },
);
