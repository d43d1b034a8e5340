/** Where ranks are on the mesh, and how a model is cut into chunks. */
import { expect, test } from 'vitest';
import { cutIntoChunks } from './cut-into-chunks.js';
import { alongAxes, meshPlace } from './mesh.js';
import { parallelSchema } from './parallel-config.js';

const parallel = parallelSchema.parse({ pipeline: 2, context: 2, tensor: 2 });

/** The groups of all ranks along these axes, each with its ranks in their order. */
function groups(...axes: Parameters<typeof alongAxes>[1]): number[][] {
  const found = new Map<string, number[]>();
  for (let rank = 0; rank < 16; rank++) {
    const { name, rank: own, size } = alongAxes(meshPlace(rank, 16, parallel), axes);
    const members = found.get(name) ?? new Array<number>(size).fill(-1);
    members[own] = rank;
    found.set(name, members);
  }
  return [...found.values()];
}

test('neighbours share matrices; stages are farthest apart', () => {
  expect(groups('tensor').slice(0, 2)).toEqual([
    [0, 1],
    [2, 3],
  ]);
  expect(groups('context').slice(0, 2)).toEqual([
    [0, 2],
    [1, 3],
  ]);
  expect(groups('data').slice(0, 2)).toEqual([
    [0, 4],
    [1, 5],
  ]);
  expect(groups('pipeline').slice(0, 2)).toEqual([
    [0, 8],
    [1, 9],
  ]);
  expect(groups('data', 'context')).toEqual([
    [0, 2, 4, 6],
    [1, 3, 5, 7],
    [8, 10, 12, 14],
    [9, 11, 13, 15],
  ]);
});

test.each([
  { blocks: 8, chunks: 4, sizes: [3, 2, 2, 3] },
  // What is left over goes to the middle: the ends have the embedding and the head.
  { blocks: 10, chunks: 4, sizes: [3, 3, 3, 3] },
  { blocks: 3, chunks: 2, sizes: [3, 2] },
  { blocks: 2, chunks: 2, sizes: [2, 2] },
  { blocks: 5, chunks: 1, sizes: [7] },
])('$blocks blocks in $chunks chunks', ({ blocks, chunks, sizes }) => {
  const cut = cutIntoChunks(blocks, chunks);
  expect(cut.map(({ start, end }) => end - start)).toEqual(sizes);
  expect(cut.map(({ start }) => start).slice(1)).toEqual(cut.map(({ end }) => end).slice(0, -1));
  expect([cut[0]?.start, cut.at(-1)?.end]).toEqual([0, blocks + 2]);
});
