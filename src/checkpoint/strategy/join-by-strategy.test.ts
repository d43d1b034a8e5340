import { describe, expect, it } from 'vitest';
import { memoryView, type ParameterLayout, readView, type TensorView } from '../../formats/index.js';
import { joinByStrategy } from './join-by-strategy.js';

const layout = (changes: Partial<ParameterLayout>): ParameterLayout => ({
  deviceMatrix: [2, 2],
  tensorMap: [[0], []],
  sliceRows: [],
  optimizerShards: 0,
  optimizerStep: 0,
  ...changes,
});

/** A matrix of bytes in memory. */
function matrix(rows: readonly (readonly number[])[]): TensorView {
  const bytes = Uint8Array.from(rows.flat());
  const view = memoryView('w', 'uint8', [rows.length, rows[0]?.length ?? 0], bytes);
  const content = {
    read: (_: number, start: number, length: number) => Buffer.from(bytes.subarray(start, start + length)),
  };
  return {
    dtype: view.dtype,
    shape: view.shape,
    source: 'w',
    *locate(start, end) {
      // Any file that is there: the bytes come from memory.
      yield { path: import.meta.filename, start, end, content };
    },
  };
}

const join = (given: ParameterLayout, parts: readonly (readonly (readonly number[])[])[]): number[] => {
  const ranks = parts.map((rows) => new Map([['w', matrix(rows)]]));
  const strategy = { path: 'strategy.ckpt', stages: new Map([[0, new Map([['w', given]])]]) };
  const whole = joinByStrategy('ranks', ranks, strategy).get('w');
  if (whole === undefined) throw new Error('no tensor');
  return [...readView(whole)].flatMap((piece) => [...piece]);
};

describe('parts of a matrix, joined by their layout', () => {
  it('rows over the fast axis, copies over the slow one', () => {
    expect(join(layout({}), [[[1, 2]], [[3, 4]], [[1, 2]], [[3, 4]]])).toEqual([1, 2, 3, 4]);
  });
  it('columns over the slow axis', () => {
    expect(
      join(layout({ tensorMap: [[], [1]] }), [
        [[1], [2]],
        [[1], [2]],
        [[3], [4]],
        [[3], [4]],
      ]),
    ).toEqual([1, 3, 2, 4]);
  });
  it('both dimensions', () => {
    expect(join(layout({ tensorMap: [[0], [1]] }), [[[1]], [[3]], [[2]], [[4]]])).toEqual([1, 2, 3, 4]);
  });
  it('one dimension over both axes, the first named the slowest', () => {
    const parts = [[[1]], [[2]], [[3]], [[4]]];
    expect(join(layout({ tensorMap: [[1, 0], []] }), parts)).toEqual([1, 2, 3, 4]);
    expect(join(layout({ tensorMap: [[0, 1], []] }), parts)).toEqual([1, 3, 2, 4]);
  });
  it('rows of a slice shared by the devices that have the same', () => {
    const shared = { optimizerShards: 2, optimizerStep: 2 };
    expect(join(layout(shared), [[[1]], [[3]], [[2]], [[4]]])).toEqual([1, 2, 3, 4]);
    expect(join(layout({ ...shared, optimizerShards: -1 }), [[[1]], [[3]], [[2]], [[4]]])).toEqual([
      1, 2, 3, 4,
    ]);
  });
  it('an uncut matrix shared by all, by neighbours, or by every second device', () => {
    const uncut = { tensorMap: [[], []] };
    const parts = [[[1]], [[2]], [[3]], [[4]]];
    expect(join(layout({ ...uncut, optimizerShards: -1, optimizerStep: 1 }), parts)).toEqual([1, 2, 3, 4]);
    const neighbours = [[[1]], [[2]], [[1]], [[2]]];
    expect(join(layout({ ...uncut, optimizerShards: 2, optimizerStep: 1 }), neighbours)).toEqual([1, 2]);
    const seconds = [[[1]], [[1]], [[2]], [[2]]];
    expect(join(layout({ ...uncut, optimizerShards: 2, optimizerStep: 2 }), seconds)).toEqual([1, 2]);
  });
  it('slices of different rows', () => {
    const uneven = layout({ deviceMatrix: [2], sliceRows: [2, 1] });
    expect(join(uneven, [[[1], [2]], [[3]]])).toEqual([1, 2, 3]);
    expect(() => join(uneven, [[[1]], [[3]]])).toThrow(
      /uint8 \[1, 1\] where strategy.ckpt tells of uint8 \[/,
    );
  });
  it.each<[string, ParameterLayout, readonly (readonly (readonly number[])[])[], RegExp]>([
    ['copies that differ', layout({}), [[[1]], [[2]], [[1]], [[3]]], /the copies of w differ/],
    ['other shapes', layout({}), [[[1]], [[2]], [[1, 2]], [[2]]], /parts of w differ: uint8 \[1, 2\]/],
    [
      'too few ranks',
      layout({}),
      [[[1]], [[2]]],
      /holds 2 ranks, and strategy.ckpt tells of 1 stage of 4 devices/,
    ],
    ['too many', layout({ deviceMatrix: [2] }), [[[1]], [[2]], [[1]], [[2]]], /the files of all stages/],
    [
      'other dimensions',
      layout({ tensorMap: [[0], [], []] }),
      [[[1]], [[2]], [[1]], [[2]]],
      /layout of "w" is of 3 dimensions, the tensor of 2/,
    ],
    [
      'more shares than copies',
      layout({ optimizerShards: 4, optimizerStep: 2 }),
      [[[1]], [[2]], [[1]], [[2]]],
      /shares rows over 4 devices, and 2 have the same/,
    ],
    [
      'another step',
      layout({ optimizerShards: 2, optimizerStep: 1 }),
      [[[1]], [[2]], [[1]], [[2]]],
      /every 1th device, and every 2th has the same/,
    ],
  ])('refuses %s', (_, given, parts, message) => {
    expect(() => join(given, parts)).toThrow(message);
  });
  it('refuses a rank without the tensor, stages without a file, and a file of other names', () => {
    const one = new Map([['w', matrix([[1]])]]);
    const strategy = (stage: number, name: string) => ({
      path: 'strategy.ckpt',
      stages: new Map([[stage, new Map([[name, layout({ deviceMatrix: [2] })]])]]),
    });
    expect(() => joinByStrategy('ranks', [one, new Map()], strategy(0, 'w'))).toThrow(
      /rank_1 lacks tensor "w"/,
    );
    expect(() => joinByStrategy('ranks', [one, one], strategy(1, 'w'))).toThrow(
      /stage 1, and not of stage 0/,
    );
    expect(() => joinByStrategy('ranks', [one, one], strategy(0, 'v'))).toThrow(/has none of the tensors/);
  });
});
