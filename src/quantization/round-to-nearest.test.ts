import { describe, expect, test } from 'vitest';
import { goldenTensors } from '../../tests/support/golden.js';
import { dequantizeRows, type IntegerMatrix } from '../formats/index.js';
import { floatTensor, RandomGenerator, randn, type Tensor } from '../tensor/index.js';
import { type RoundingRule, roundToNearest } from './round-to-nearest.js';

const golden = goldenTensors('quantised/rounding.safetensors');
const random = new RandomGenerator(3);

function weights(matrix: IntegerMatrix): Tensor {
  const found = new Float32Array(matrix.outFeatures * matrix.inFeatures);
  dequantizeRows(matrix, 0, matrix.outFeatures, found);
  return floatTensor(found, [matrix.outFeatures, matrix.inFeatures]);
}

const largestError = (weight: Tensor, rule: RoundingRule): number =>
  weights(roundToNearest(weight, rule)).sub(weight).abs().max().item();
const squaredError = (weight: Tensor, rule: RoundingRule): number => {
  const difference = weights(roundToNearest(weight, rule)).sub(weight);
  return difference.mul(difference).sum().item();
};

describe('as published', () => {
  test.each([
    ['row_int8', 8, undefined],
    ['row_int4', 4, undefined],
    ['group32_int4', 4, 32],
    ['group64_int4', 4, 64],
    ['group128_int4', 4, 128],
  ] as const)('%s', (name, bits, groupSize) => {
    for (const matrix of ['a', 'b']) {
      const part = (what: string): Tensor => golden(`${matrix}.${name}.${what}`);
      const found = roundToNearest(golden(`${matrix}.weight`), { bits, groupSize, range: 'published' });
      const middle = 2 ** (bits - 1);
      expect([...found.values].map((value) => value - middle)).toEqual(part('q').toArray());
      expect([...found.scales]).toEqual(part('scale').toArray());
      expect(found.zeros.every((zero) => zero === middle)).toBe(true);
    }
  });

  test('in the arithmetic of the weight: 16-bit scales and quotients', () => {
    // 100.4 / 1 is 100.5 in bfloat16, which goes to the even 100; a row of zeros stays zeros.
    const weight = floatTensor([127, 100.4, 0, 0], [2, 2]).to('bfloat16');
    const found = roundToNearest(weight, { bits: 8, groupSize: undefined, range: 'published' });
    expect([...found.values]).toEqual([255, 228, 128, 128]);
    expect([...found.scales]).toEqual([1, 0]);
  });
});

describe.each(['symmetric', 'asymmetric'] as const)('%s', (range) => {
  const weight = randn([6, 100], random);

  test.each([
    [4, 32],
    [4, undefined],
    [8, 64],
    [3, 32],
    [2, 32],
  ] as const)('%i bits, groups of %s: no error above a step', (bits, groupSize) => {
    const found = roundToNearest(weight, { bits, groupSize, range });
    expect(found.scales.length).toBe(6 * Math.ceil(100 / (groupSize ?? 100)));
    // Not half of one: a symmetric range lacks the last integer of one side, an asymmetric zero point is rounded.
    const step = Math.max(...found.scales.map(Math.abs));
    expect(weights(found).sub(weight).abs().max().item()).toBeLessThanOrEqual(step * (1 + 1e-6));
    expect(Math.max(...found.values)).toBeLessThan(2 ** bits);
  });

  test('a searched range is never worse, and better somewhere', () => {
    const rule = { bits: 3, groupSize: 32, range } as const;
    expect(squaredError(weight, { ...rule, searchRange: true })).toBeLessThan(
      0.97 * squaredError(weight, rule),
    );
  });

  test('16-bit scales are stored as they were rounded with', () => {
    const found = roundToNearest(weight, { bits: 4, groupSize: 32, range, scaleDType: 'float16' });
    const scales = floatTensor(found.scales);
    expect(scales.to('float16').to('float32').equals(scales)).toBe(true);
    expect(largestError(weight, { bits: 4, groupSize: 32, range, scaleDType: 'float16' })).toBeLessThan(0.5);
  });

  test('groups of zeros, of one sign, of one value, of the least floats', () => {
    const rows = [
      [0, 0, 0, 0],
      [1, 2, 3, 4],
      [-1, -2, -3, -4],
      [5, 5, 5, 5],
      [1e-45, 0, -1e-45, 0],
    ];
    const found = weights(
      roundToNearest(floatTensor(rows.flat(), [5, 4]), {
        bits: 8,
        groupSize: undefined,
        range,
        scaleDType: 'float16',
      }),
    );
    for (const [row, values] of rows.entries())
      for (const [column, value] of values.entries())
        expect(Math.abs((found.toArray()[row * 4 + column] ?? Number.NaN) - value)).toBeLessThanOrEqual(0.04);
  });
});

test('asymmetric beats symmetric on weights that lean to one side', () => {
  const weight = randn([8, 64], random).add(1);
  const rule = { bits: 4, groupSize: 32 } as const;
  expect(squaredError(weight, { ...rule, range: 'asymmetric' })).toBeLessThan(
    squaredError(weight, { ...rule, range: 'symmetric' }),
  );
});
