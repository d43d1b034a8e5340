import { describe, expect, it } from 'vitest';
import { packMap, unpackMap } from './message-pack.js';

const fail = (problem: string): never => {
  throw new Error(problem);
};
const NO_FLOATS = new Set<string>();

/** From files of MindSpore: {label: value} for the limits of each width. */
const INTEGERS: readonly [number | bigint, string][] = [
  [0, '00'],
  [127, '7f'],
  [128, 'cc80'],
  [255, 'ccff'],
  [256, 'cd0100'],
  [65_535, 'cdffff'],
  [65_536, 'ce00010000'],
  [2 ** 31, 'ce80000000'],
  [2 ** 32, 'cf0000000100000000'],
  [2n ** 63n - 1n, 'cf7fffffffffffffff'],
  [-1, 'ff'],
  [-32, 'e0'],
  [-33, 'd0df'],
  [-128, 'd080'],
  [-129, 'd1ff7f'],
  [-32_768, 'd18000'],
  [-32_769, 'd2ffff7fff'],
  [-(2 ** 31), 'd280000000'],
  [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
  [-(2n ** 63n), 'd38000000000000000'],
];

describe('MessagePack maps', () => {
  it.each(INTEGERS)('write %s as %s', (value, hex) => {
    const packed = packMap([['label', value]], NO_FLOATS);
    expect(packed.toString('hex')).toBe(`81a56c6162656c${hex}`);
    expect(String(unpackMap(packed, fail).get('label'))).toBe(String(value));
  });

  it.each([
    [0, 'ca00000000'],
    [-0, 'ca80000000'],
    [5, 'ca40a00000'],
    [0.1, 'cb3fb999999999999a'],
    [1e300, 'cb7e37e43c8800759c'],
    [Number.NaN, 'ca7fc00000'],
    [Number.POSITIVE_INFINITY, 'ca7f800000'],
  ])('write the float %s as %s', (value, hex) => {
    const packed = packMap([['f', value]], new Set(['f']));
    expect(packed.toString('hex')).toBe(`81a166${hex}`);
    expect(unpackMap(packed, fail).get('f')).toBe(value);
  });

  it('hold texts of all widths and more than 15 keys', () => {
    const entries = [0, 31, 32, 255, 256, 65_535, 65_536].map((length): [string, string] => [
      `t${length}`,
      'x'.repeat(length),
    ]);
    for (let index = 0; index < 20; index++) entries.push([`k${index}`, `星${index}`]);
    expect([...unpackMap(packMap(entries, NO_FLOATS), fail)]).toEqual(entries);
  });

  it.each<[string, string]>([
    ['', 'it ends within a value'],
    ['91', 'it begins with 145, which is no map'],
    ['81a161', 'it ends within a value'],
    ['8101a161', 'key 0 is no text'],
    ['81a161c1', 'the code 193 at its byte 3 is no number and no text'],
    ['81a1ff01', 'invalid UTF-8'],
    ['8000', '1 bytes follow its last value'],
  ])('refuse the bytes %s', (hex, problem) => {
    expect(() => unpackMap(Buffer.from(hex, 'hex'), fail)).toThrow(problem);
  });
});
