import { describe, expect, test } from 'vitest';
import { goldenJson, goldenTensors } from '../../tests/support/golden.js';
import { dequantizeRows, type IntegerMatrix } from '../formats/index.js';
import { floatTensor, liveTensorCount, RandomGenerator, randn, scope, type Tensor } from '../tensor/index.js';
import { type GptqRule, gptq } from './gptq.js';
import { roundToNearest } from './round-to-nearest.js';

interface GoldenCase {
  readonly bits: 2 | 3 | 4 | 8;
  readonly group_size: number;
  readonly sym: boolean;
  readonly act_order: boolean;
  readonly static_groups: boolean;
  readonly mse_norm: number;
  readonly squared_error: number;
  readonly float64_ints_different: number;
}

const file = 'quantised/algorithm/gptq_algorithm';
const golden = goldenTensors(`${file}.safetensors`);
// A search of the range by another norm is not part of ours.
const cases = Object.entries(goldenJson<Record<string, GoldenCase>>(`${file}.json`)).filter(
  ([, { mse_norm }]) => mse_norm === 0,
);

const ruleOf = ({ bits, group_size, sym, act_order, static_groups }: GoldenCase): GptqRule => ({
  ...{ bits, isSymmetric: sym, actOrder: act_order, staticGroups: static_groups },
  groupSize: group_size === -1 ? undefined : group_size,
});

function weightsOf(matrix: IntegerMatrix): Tensor {
  const weights = new Float32Array(matrix.outFeatures * matrix.inFeatures);
  dequantizeRows(matrix, 0, matrix.outFeatures, weights);
  return floatTensor(weights, [matrix.outFeatures, matrix.inFeatures]);
}

const squared = (tensor: Tensor): number => tensor.mul(tensor).sum().item();

describe('as the class of AutoGPTQ', () => {
  const [weight, x] = [golden('weight'), golden('x').to('float32')];
  // Its factor and its sequences change nothing of the integers.
  const hessian = x
    .transpose(0, 1)
    .matmul(x)
    .mul(2 / 5);

  test.each(cases)('%s', (name, published) => {
    const found = gptq(weight, hessian, ruleOf(published));
    const integers = golden(`${name}.q`).toArray();
    const scales = golden(`${name}.scale`).transpose(0, 1).contiguous().toArray();
    expect([...found.groups]).toEqual(golden(`${name}.g_idx`).toArray());
    // A symmetric range of a row without a negative weight is cut in half there, which nobody should copy.
    const isCopied = (row: number): boolean => !published.sym || row !== 3;
    const different = [...found.values].filter(
      (value, place) => isCopied(Math.floor(place / 192)) && value !== integers[place],
    );
    // One integer that falls on the other side changes what follows it in its row.
    expect(different.length).toBeLessThanOrEqual(published.float64_ints_different + 2 * 192);
    const groups = scales.length / 40;
    for (const [place, scale] of scales.entries())
      if (isCopied(Math.floor(place / groups))) expect(found.scales[place]).toBeCloseTo(scale, 6);
    const error = squared(x.matmul(weightsOf(found).sub(weight).transpose(0, 1)));
    if (!published.sym) expect(error / published.squared_error).toBeCloseTo(1, 2);
    else expect(error).toBeLessThan(published.squared_error * 1.005);
  });
});

test('outputs are nearer than those of the nearest integers', () => {
  const random = new RandomGenerator(8);
  const weight = randn([24, 64], random);
  const x = randn([200, 64], random).matmul(randn([64, 64], random));
  const rule = { bits: 4, groupSize: 32, isSymmetric: false, actOrder: true, staticGroups: false } as const;
  const errorOf = (matrix: IntegerMatrix): number =>
    squared(x.matmul(weightsOf(matrix).sub(weight).transpose(0, 1)));
  const ours = errorOf(gptq(weight, x.transpose(0, 1).matmul(x), rule));
  expect(ours).toBeLessThan(
    0.5 * errorOf(roundToNearest(weight, { bits: 4, groupSize: 32, range: 'asymmetric' })),
  );
});

test('a calibration of fewer tokens than inputs, or of equal ones, is damped until it can be solved', () => {
  const random = new RandomGenerator(9);
  const weight = randn([4, 32], random);
  const rule = { bits: 8, groupSize: 32, isSymmetric: false, actOrder: false, staticGroups: false } as const;
  for (const x of [
    randn([3, 32], random),
    randn([1, 32], random).mul(1e-6),
    randn([1, 32], random).mul(1e6),
  ]) {
    const found = gptq(weight, x.transpose(0, 1).matmul(x), rule);
    expect(squared(x.matmul(weightsOf(found).sub(weight).transpose(0, 1)))).toBeLessThan(
      squared(x.matmul(weight.transpose(0, 1))) / 1e4,
    );
  }
  expect(() => gptq(weight, randn([32, 32], random).mul(Number.NaN), rule)).toThrow();
});

test('weights too small for a 16-bit scale are zeros and spoil nothing beside them', () => {
  const random = new RandomGenerator(4);
  const weight = randn([3, 64], random);
  weight.narrow(1, 0, 32).mul_(1e-12);
  weight.narrow(1, 0, 1).mul_(0);
  const x = randn([90, 64], random);
  const rule = { bits: 4, groupSize: 32, isSymmetric: false, actOrder: false, staticGroups: false } as const;
  const found = weightsOf(gptq(weight, x.transpose(0, 1).matmul(x), { ...rule, scaleDType: 'float16' }));
  expect(found.narrow(1, 0, 32).abs().max().item()).toBeLessThan(1e-6);
  expect(
    found
      .narrow(1, 32, 32)
      .sub(weight.narrow(1, 32, 32))
      .abs()
      .max()
      .item(),
  ).toBeLessThan(1);
});

test('nothing stays behind', () => {
  const random = new RandomGenerator(9);
  const [weight, x] = [randn([4, 200], random), randn([300, 200], random)];
  const hessian = scope(() => x.transpose(0, 1).matmul(x));
  const alive = liveTensorCount();
  gptq(weight, hessian, { bits: 4, groupSize: 64, isSymmetric: false, actOrder: true, staticGroups: false });
  expect(liveTensorCount()).toBe(alive);
});
