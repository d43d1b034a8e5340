/** Rotations by the keys of a config, against the formulas of transformers written out for a few numbers. */
import { describe, expect, test } from 'vitest';
import { readRope, rotationOf } from './rope-keys.js';
import { rotaryParametersAt } from './rotation.js';

const HEAD_DIM = 8;
const base = { max_position_embeddings: 64 };

function rotation(config: Parameters<typeof readRope>[0], length = 1) {
  const rope = readRope(config);
  if (typeof rope === 'string') throw new Error(rope);
  return rotaryParametersAt(rotationOf(rope, HEAD_DIM, config.max_position_embeddings), HEAD_DIM, length);
}

describe('where the base stands', () => {
  test.each([
    [{}, 10_000],
    [{ rope_theta: 5e5 }, 5e5],
    [{ rope_theta: 5e5, rope_scaling: null }, 5e5],
    [{ rope_parameters: { rope_type: 'default', rope_theta: 1e6 } }, 1e6],
    [{ rope_theta: 5e5, rope_parameters: { rope_type: 'default', rope_theta: 1e6 } }, 1e6],
    [{ rope_theta: 5e5, rope_parameters: { rope_type: 'default' } }, 5e5],
    // An old-style dictionary stands in for the new one, base and all.
    [{ rope_scaling: { type: 'linear', factor: 1 }, rope_parameters: { rope_theta: 1e6 } }, 10_000],
    [{ rope_scaling: {}, rope_parameters: { rope_theta: 1e6 } }, 1e6],
  ] as const)('%j: %d', (keys, expected) => {
    expect(rotation({ ...base, ...keys }).base).toBe(expected);
  });
});

test('linear: every frequency by the factor, at every length', () => {
  const keys = { ...base, rope_scaling: { type: 'linear', factor: 4 } } as const;
  expect(rotation(keys)).toEqual({ base: 10_000, divisors: [4, 4, 4, 4] });
  expect(rotation(keys, 1000)).toEqual(rotation(keys));
});

test('dynamic: the base of the length, from max_position_embeddings on', () => {
  const keys = { ...base, rope_scaling: { rope_type: 'dynamic', factor: 2 } } as const;
  expect(rotation(keys, 64)).toEqual({ base: 10_000 });
  expect(rotation(keys, 128).base).toBeCloseTo(10_000 * (2 * 2 - 1) ** (8 / 6), 9);
});

test('llama3: short waves stay, long ones are stretched, between them a mixture', () => {
  const rope_scaling = {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 100,
  } as const;
  // Waves of 2 pi 10^j: 6.3, 63, 628, 6283; the bounds are 25 and 100.
  const smooth = (100 / (2 * Math.PI * 10) - 1) / 3;
  const { divisors = [] } = rotation({ ...base, rope_scaling });
  expect(divisors[0]).toBe(1);
  expect(divisors[1]).toBeCloseTo(1 / ((1 - smooth) / 8 + smooth), 12);
  expect(divisors.slice(2)).toEqual([8, 8]);
  const { original_max_position_embeddings: _, ...without } = rope_scaling;
  expect(rotation({ max_position_embeddings: 100, rope_scaling: without }).divisors).toEqual(divisors);
});

describe('yarn', () => {
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 } as const;

  test('a ramp between its bounds, and a scale of its own', () => {
    // 8 ln(64 / (2 pi 32)) / (2 ln 10^4) = -0.50 and 1.01: from element 0 to 2.
    expect(rotation({ ...base, rope_scaling: yarn })).toEqual({
      base: 10_000,
      divisors: [1, 1 / (0.5 / 4 + 0.5), 4, 4],
      scale: 0.1 * Math.log(4) + 1,
    });
  });

  test.each([
    [{ attention_factor: 1.25 }, 1.25],
    [{ attention_factor: null }, 0.1 * Math.log(4) + 1],
    [{ mscale: 0.7, mscale_all_dim: 1 }, (0.07 * Math.log(4) + 1) / (0.1 * Math.log(4) + 1)],
    [{ mscale: 0.7 }, 0.1 * Math.log(4) + 1],
    [{ mscale: 0.7, mscale_all_dim: 0 }, 0.1 * Math.log(4) + 1],
    [{ factor: 1 }, 1],
  ])('the scale of %j', (keys, scale) => {
    expect(rotation({ ...base, rope_scaling: { ...yarn, ...keys } }).scale).toBeCloseTo(scale, 12);
  });

  test('bounds that are no whole numbers, and bounds that are one', () => {
    const { divisors: exact = [] } = rotation({ ...base, rope_scaling: { ...yarn, truncate: false } });
    const end = (8 * Math.log(64 / (2 * Math.PI))) / (2 * Math.log(10_000));
    expect(exact[1]).toBeCloseTo(1 / (1 / end / 4 + 1 - 1 / end), 12);
    // Both bounds at element 0: a step behind it.
    const same = { ...yarn, beta_fast: 1000, beta_slow: 12 };
    expect(rotation({ ...base, rope_scaling: same }).divisors).toEqual([1, 4, 4, 4]);
  });

  test('without a factor: that of the lengths', () => {
    const config = { max_position_embeddings: 256, rope_scaling: { ...yarn, factor: null } };
    expect(rotation(config)).toEqual(rotation({ ...base, rope_scaling: yarn }));
  });
});

describe('telechat3-yarn', () => {
  const yarn = { rope_type: 'telechat3-yarn', original_max_position_embeddings: 64 } as const;
  const config = { max_position_embeddings: 256, rope_scaling: yarn };

  test("YaRN's ramp by the ratio of the lengths, and 0.07 in the place of 0.1", () => {
    const { divisors, scale } = rotation(config);
    expect(divisors).toEqual([1, 1 / (0.5 / 4 + 0.5), 4, 4]);
    expect(scale).toBeCloseTo(0.07 * Math.log(4) + 1, 14);
    expect(rotation({ ...config, rope_scaling: { ...yarn, factor: 4 } })).toEqual(rotation(config));
  });

  test('without the old length: max_position_embeddings is it, and the factor is read', () => {
    const alone = { ...base, rope_scaling: { rope_type: 'telechat3-yarn', factor: 4 } as const };
    expect(rotation(alone)).toEqual(rotation(config));
  });

  test.each([
    [{ attention_factor: 1.25 }, 1.25],
    [{ attention_factor: null }, 0.07 * Math.log(4) + 1],
  ])('the scale of %j', (keys, scale) => {
    expect(rotation({ ...config, rope_scaling: { ...yarn, ...keys } }).scale).toBeCloseTo(scale, 14);
  });

  test('lengths that are the same stretch nothing', () => {
    const { divisors, scale } = rotation({ ...base, rope_scaling: yarn });
    expect({ divisors, scale }).toEqual({ divisors: [1, 1, 1, 1], scale: 1 });
  });
});

test.each([
  [{ rope_scaling: { type: 'telechat3-yarn' } }, /"telechat3-yarn" needs original_max_position_embeddings/],
  [
    { rope_scaling: { type: 'telechat3-yarn', original_max_position_embeddings: 16, factor: 2 } },
    /original_max_position_embeddings \(4\), and the factor beside them is 2; make them agree/,
  ],
  [
    { rope_scaling: { type: 'telechat3-yarn', original_max_position_embeddings: 128, factor: 2 } },
    /max_position_embeddings \(64\) is below original_max_position_embeddings \(128\)$/,
  ],
  [
    { rope_scaling: { type: 'telechat3-yarn', factor: 2, mscale: 1 } },
    /mscale has no meaning.*"telechat3-yarn"/,
  ],
  [{ rope_scaling: { type: 'telechat3-yarn', factor: 2, truncate: false } }, /truncate has no meaning/],
  [{ rope_scaling: { type: 'linear' } }, /"linear" needs a factor/],
  [{ rope_scaling: { type: 'dynamic', rope_type: 'linear', factor: 2 } }, /leave one/],
  [{ rope_scaling: { factor: 2 } }, /factor has no meaning for the rotation "default"/],
  [{ rope_scaling: { type: 'linear', factor: 2, beta_fast: 32 } }, /beta_fast has no meaning.*reads factor/],
  [{ rope_scaling: { type: 'yarn', factor: 2, low_freq_factor: 1 } }, /low_freq_factor has no meaning/],
  [
    { rope_scaling: { rope_type: 'llama3', factor: 2, low_freq_factor: 1 } },
    /needs factor, low_freq_factor and high/,
  ],
  [
    { rope_scaling: { rope_type: 'llama3', factor: 2, low_freq_factor: 4, high_freq_factor: 4 } },
    /high_freq_factor \(4\) must be above/,
  ],
  [{ rope_scaling: { type: 'yarn', original_max_position_embeddings: 128 } }, /give a factor/],
] as const)('%j is refused', (keys, message) => {
  expect(readRope({ ...base, ...keys })).toMatch(message);
});
