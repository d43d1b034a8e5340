// The batch-invariant products of xinghe::linear: the bits of a row, and their accuracy.
// Shapes: N rows, I input features, O output features.
import { afterEach, describe, expect, it } from 'vitest';
import { casesOf } from '../../tests/support/long-suite.js';
import { noGrad } from './autograd.js';
import { getThreads, setThreads } from './devices.js';
import type { FloatDType } from './dtype.js';
import {
  empty,
  isInvariantLinear,
  liveTensorCount,
  operator,
  RandomGenerator,
  randn,
  scope,
  setInvariantLinear,
  type Tensor,
} from './index.js';
import { native } from './native.js';

const ours = operator('xinghe::linear');
const theirs = operator('aten::linear');
const threads = getThreads();

afterEach(() => {
  setInvariantLinear(false);
  setThreads(threads);
});

const layouts = {
  '[O, I]': (outputs: number, inputs: number, generator: RandomGenerator, dtype: FloatDType) =>
    randn([outputs, inputs], generator, { dtype }),
  '[I, O]': (outputs: number, inputs: number, generator: RandomGenerator, dtype: FloatDType) =>
    randn([inputs, outputs], generator, { dtype }).transpose(0, 1),
};
type Layout = keyof typeof layouts;
const layoutNames: Layout[] = ['[O, I]', '[I, O]'];
const dtypes: FloatDType[] = ['float32', 'bfloat16', 'float16', 'float64'];
const instructions = ['plain', 'avx2', 'avx512', 'avx512bf16'];
// Odd sizes, less than a vector, several chunks of every kernel (the longest is 2048 elements).
const sizes: [inputs: number, outputs: number][] = [
  [64, 64],
  [1, 1],
  [7, 3],
  [2100, 130],
  [515, 262],
];
// Every number up to 64 in the long suite; otherwise those around the sizes of the kernels' tiles.
const rowCounts = casesOf(
  [...Array.from({ length: 64 }, (_, i) => i + 1), 65, 100, 256, 513],
  (rows) => rows < 10 || rows > 63 || [15, 16, 17, 31, 32, 33, 47, 48, 49].includes(rows),
);

function turnOn(most: string): void {
  native().setInvariantLinear(true, most);
}

function bits(tensor: Tensor): string {
  return Buffer.from(tensor.contiguous().toBytes()).toString('latin1');
}

describe.each(instructions)('with %s at most', (most) => {
  // Without AVX2 there is no kernel for float16.
  const kinds = dtypes.filter((dtype) => dtype !== 'float16' || most !== 'plain');

  it.each(kinds.flatMap((dtype) => layoutNames.map((layout) => [dtype, layout] as const)))(
    'a row of %s, weights %s, has the same bits at every number of rows, place and thread',
    (dtype, layout) => {
      for (const [inputs, outputs] of sizes)
        scope(() => {
          const generator = new RandomGenerator(3);
          const x = randn([513, inputs], generator, { dtype });
          const weight = layouts[layout](outputs, inputs, generator, dtype);
          const bias = randn([outputs], generator, { dtype });
          turnOn(most);
          const run = (input: Tensor): Tensor => noGrad(() => ours(input, weight, bias));
          setThreads(2);
          const whole = run(x);
          const row = bits(whole.narrow(0, 200, 1));
          for (const rows of rowCounts)
            scope(() => {
              setThreads((rows % 2) + 1);
              // Row 200 at the start, in the middle and at the end of so many rows.
              for (const place of new Set([0, rows >> 1, rows - 1])) {
                const first = 200 - place;
                if (first < 0 || first + rows > 513) continue;
                const y = run(x.narrow(0, first, rows));
                expect(bits(y.narrow(0, place, 1)) === row, `${rows} rows, place ${place}`).toBe(true);
              }
            });
          setThreads(1);
          expect(bits(run(x)) === bits(whole), 'one thread').toBe(true);
        });
    },
  );

  it.each(kinds.flatMap((dtype) => layoutNames.map((layout) => [dtype, layout] as const)))(
    '%s, weights %s: no less exact than libtorch',
    (dtype, layout) => {
      for (const [inputs, outputs] of sizes)
        scope(() => {
          const generator = new RandomGenerator(5);
          const x = randn([90, inputs], generator, { dtype });
          const weight = layouts[layout](outputs, inputs, generator, dtype);
          const bias = randn([outputs], generator, { dtype });
          const exact = theirs(x.to('float64'), weight.to('float64'), bias.to('float64'));
          const error = (y: Tensor): number => y.to('float64').sub(exact).pow(2).mean().sqrt().item();
          turnOn(most);
          const ourError = error(noGrad(() => ours(x, weight, bias)));
          // A float64 sum is compared with another float64 sum. Without fused instructions each product is rounded once
          // more.
          const theirError = dtype === 'float64' ? 1e-16 * inputs : error(theirs(x, weight, bias));
          const allowed = most === 'plain' ? 2 : 1.05;
          const tiny = dtype === 'float64' ? 1e-15 : 1e-7;
          expect(ourError).toBeLessThanOrEqual(allowed * theirError + tiny);
        });
    },
  );
});

describe.each(layoutNames)('weights %s', (layout) => {
  it.each(dtypes)('in %s the shapes and values are those of libtorch', (dtype) => {
    scope(() => {
      const generator = new RandomGenerator(7);
      const weight = layouts[layout](40, 24, generator, dtype);
      const wide = randn([2, 5, 48], generator, { dtype });
      const inputs = [
        randn([24], generator, { dtype }),
        randn([1, 24], generator, { dtype }),
        randn([2, 3, 24], generator, { dtype }),
        randn([24, 6], generator, { dtype }).transpose(0, 1),
        wide.narrow(2, 3, 24),
        randn([1, 1, 24], generator, { dtype }).expand([2, 3, 24]),
        empty([0, 24], { dtype }),
      ];
      for (const x of inputs) {
        const expected = theirs(x, weight);
        turnOn('');
        const y = noGrad(() => ours(x, weight));
        setInvariantLinear(false);
        expect(y.shape).toEqual(expected.shape);
        expect(y.dtype).toBe(dtype);
        if (y.numElements === 0) continue;
        const tolerance = { float32: 1e-5, float64: 1e-13, bfloat16: 0.13, float16: 0.016 }[dtype];
        expect(y.to('float64').sub(expected.to('float64')).abs().max().item()).toBeLessThan(tolerance);
      }
    });
  });
});

it('a weight narrowed on both sides is read where it lies, and NaN beside it does no harm', () => {
  scope(() => {
    const generator = new RandomGenerator(9);
    const x = randn([3, 21], generator, { dtype: 'bfloat16' });
    for (const transposed of [false, true]) {
      const whole = randn([60, 60], generator, { dtype: 'bfloat16' });
      const inside = whole.narrow(0, 5, 21).narrow(1, 7, 21);
      const values = inside.clone();
      whole.fill_(Number.NaN);
      inside.copy_(values);
      const weight = transposed ? inside.transpose(0, 1) : inside;
      const copy = transposed ? values.transpose(0, 1) : values;
      setInvariantLinear(true);
      noGrad(() => expect(bits(ours(x, weight))).toBe(bits(ours(x, copy))));
    }
  });
});

it('infinities and NaN come out', () => {
  scope(() => {
    setInvariantLinear(true);
    const generator = new RandomGenerator(1);
    for (const dtype of dtypes) {
      const x = randn([2, 40], generator, { dtype });
      const weight = randn([5, 40], generator, { dtype });
      const bias = empty([5], { dtype }).fill_(Number.NaN);
      const y = noGrad(() => ours(x, weight, bias));
      expect(y.to('float64').sum().item()).toBeNaN();
    }
  });
});

it('a layer that records a graph is multiplied as before', () => {
  scope(() => {
    const generator = new RandomGenerator(2);
    const x = randn([4, 300], generator);
    const weight = randn([7, 300], generator);
    const before = bits(ours(x, weight));
    setInvariantLinear(true);
    expect(isInvariantLinear()).toBe(true);
    expect(bits(ours(x, weight))).toBe(before);
  });
});

it('no tensor is left behind', () => {
  const before = liveTensorCount();
  setInvariantLinear(true);
  scope(() => {
    const generator = new RandomGenerator(4);
    for (const layout of layoutNames) {
      const weight = layouts[layout](30, 50, generator, 'float32');
      noGrad(() => ours(randn([9, 50], generator), weight));
    }
  });
  expect(liveTensorCount()).toBe(before);
});

it('a wrong shape is libtorch’s to explain', () => {
  scope(() => {
    setInvariantLinear(true);
    const generator = new RandomGenerator(6);
    expect(() => noGrad(() => ours(randn([2, 3], generator), randn([4, 5], generator)))).toThrow(/shapes/);
  });
});
