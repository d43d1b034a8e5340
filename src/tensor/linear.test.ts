// xinghe::linear against libtorch's own linear, forward and all gradients, on each route.
// Shapes: B batch, T tokens, K input features, M output features.
import { afterEach, describe, expect, it } from 'vitest';
import {
  type DType,
  empty,
  grad,
  liveTensorCount,
  operator,
  RandomGenerator,
  randn,
  scope,
  type Tensor,
} from './index.js';
import { native } from './native.js';

const ours = operator('xinghe::linear');
const theirs = operator('aten::linear');
const K = 24;
const M = 40;

// Rounding errors of sums of at most 40 products of numbers near 1.
const tolerances: Partial<Record<DType, number>> = { float32: 2e-5, float64: 1e-13, bfloat16: 0.25 };

afterEach(() => native().setLinearRoutes(false, false, false));

function largestDifference(a: Tensor | null | undefined, b: Tensor | null | undefined): number {
  if (!a || !b) throw new Error('a gradient is missing');
  expect(a.shape).toEqual(b.shape);
  expect(a.dtype).toBe(b.dtype);
  return a.numElements === 0 ? 0 : a.to('float64').sub(b.to('float64')).abs().max().item();
}

interface Case {
  x: (generator: RandomGenerator, dtype: DType) => Tensor;
  weight?: (generator: RandomGenerator, dtype: DType) => Tensor;
}

const cases: Record<string, Case> = {
  'one row without a batch [K]': { x: (g, dtype) => randn([K], g, { dtype }) },
  'one row [1, K]': { x: (g, dtype) => randn([1, K], g, { dtype }) },
  '[T, K]': { x: (g, dtype) => randn([7, K], g, { dtype }) },
  '[B, T, K]': { x: (g, dtype) => randn([2, 5, K], g, { dtype }) },
  'transposed x': { x: (g, dtype) => randn([K, 6], g, { dtype }).transpose(0, 1) },
  'x narrowed from a wider tensor': { x: (g, dtype) => randn([3, 5, 2 * K], g, { dtype }).narrow(2, 3, K) },
  'expanded x': { x: (g, dtype) => randn([1, 1, K], g, { dtype }).expand([2, 3, K]) },
  'no rows [0, K]': { x: (g, dtype) => randn([0, K], g, { dtype }) },
  'no rows [2, 0, K]': { x: (g, dtype) => randn([2, 0, K], g, { dtype }) },
  'weight stored as [K, M]': {
    x: (g, dtype) => randn([2, 5, K], g, { dtype }),
    weight: (g, dtype) => randn([K, M], g, { dtype }).transpose(0, 1),
  },
  'weight narrowed on both sides': {
    x: (g, dtype) => randn([4, K], g, { dtype }),
    weight: (g, dtype) =>
      randn([2 * M, 2 * K], g, { dtype })
        .narrow(0, 1, M)
        .narrow(1, 1, K),
  },
  'no input features': {
    x: (g, dtype) => randn([3, 0], g, { dtype }),
    weight: (g, dtype) => randn([M, 0], g, { dtype }),
  },
  'no output features': {
    x: (g, dtype) => randn([3, K], g, { dtype }),
    weight: (g, dtype) => randn([0, K], g, { dtype }),
  },
};

describe.each(['blas', 'onednn'] as const)('%s', (route) => {
  describe.each(['float32', 'float64', 'bfloat16'] as const)('%s', (dtype) => {
    it.each(Object.keys(cases))('%s', (name) => {
      const onednn = route === 'onednn';
      const made = cases[name];
      if (made === undefined) throw new Error(name);
      const tolerance = tolerances[dtype] ?? 0;
      scope(() => {
        const generator = new RandomGenerator(11);
        const x = made.x(generator, dtype).setRequiresGrad(true);
        const weight = (
          made.weight?.(generator, dtype) ?? randn([M, K], generator, { dtype })
        ).setRequiresGrad(true);
        const outputs = weight.size(0);
        const bias = randn([outputs], generator, { dtype }).setRequiresGrad(true);
        for (const b of [undefined, bias]) {
          native().setLinearRoutes(false, false, false);
          const expected = theirs(x, weight, b);
          const gradOutput = randn(expected.shape, generator, { dtype });
          const leaves = b === undefined ? [x, weight] : [x, weight, b];
          const expectedGradients = grad([expected], leaves, { gradOutputs: [gradOutput] });
          native().setLinearRoutes(onednn, onednn, onednn);
          const actual = ours(x, weight, b);
          const actualGradients = grad([actual], leaves, { gradOutputs: [gradOutput] });
          expect(largestDifference(actual, expected), 'output').toBeLessThanOrEqual(tolerance);
          for (const [i, what] of ['dx', 'dw', 'db'].slice(0, leaves.length).entries())
            expect(largestDifference(actualGradients[i], expectedGradients[i]), what).toBeLessThanOrEqual(
              tolerance,
            );
        }
      });
    });
  });

  it('the gradient of a sum (an expanded tensor) and a second derivative', () =>
    scope(() => {
      const onednn = route === 'onednn';
      native().setLinearRoutes(onednn, onednn, onednn);
      const generator = new RandomGenerator(2);
      const x = randn([4, K], generator).setRequiresGrad(true);
      const weight = randn([M, K], generator).setRequiresGrad(true);
      const secondOf = (linear: typeof ours): Tensor | null | undefined => {
        const [dx] = grad([linear(x, weight).pow(2).sum()], [x], { createGraph: true });
        return dx ? grad([dx.pow(2).sum()], [weight])[0] : null;
      };
      const second = secondOf(theirs);
      const scale = second?.abs().max().item() ?? 0;
      expect(largestDifference(secondOf(ours), second) / scale).toBeLessThan(1e-5);
      const [dw] = grad([ours(x, weight).sum()], [weight]);
      const [expected] = grad([theirs(x, weight).sum()], [weight]);
      expect(largestDifference(dw, expected)).toBeLessThan(1e-5);
    }));

  it('a frozen side gets no gradient', () =>
    scope(() => {
      const onednn = route === 'onednn';
      native().setLinearRoutes(onednn, onednn, onednn);
      const generator = new RandomGenerator(2);
      const x = randn([4, K], generator).setRequiresGrad(true);
      const frozen = randn([M, K], generator);
      const [dx] = grad([ours(x, frozen).sum()], [x]);
      expect(largestDifference(dx, grad([theirs(x, frozen).sum()], [x])[0])).toBeLessThan(1e-5);
      const weight = frozen.clone().setRequiresGrad(true);
      const [dw] = grad([ours(x.detach(), weight).sum()], [weight]);
      expect(largestDifference(dw, grad([theirs(x.detach(), weight).sum()], [weight])[0])).toBeLessThan(1e-5);
      expect(ours(x.detach(), frozen).requiresGrad).toBe(false);
    }));

  it('says what does not fit, as libtorch does', () =>
    scope(() => {
      const onednn = route === 'onednn';
      native().setLinearRoutes(onednn, onednn, onednn);
      const x = empty([4, K]);
      expect(() => ours(x, empty([M, K + 1]))).toThrow(/shapes cannot be multiplied \(4x24 and 25x40\)/);
      expect(() => ours(x, empty([M, K], { dtype: 'float64' }))).toThrow(/same dtype|expected.*dtype/i);
      expect(() => ours(x, empty([M, K]), empty([M + 1]))).toThrow(/xinghe::linear/);
      expect(() => ours(x, empty([M, K]), empty([M], { dtype: 'float64' }))).toThrow(/xinghe::linear/);
    }));

  it('plans shapes on the meta device', () =>
    scope(() => {
      const onednn = route === 'onednn';
      native().setLinearRoutes(onednn, onednn, onednn);
      const weight = empty([M, K], { device: 'meta' }).setRequiresGrad(true);
      const y = ours(empty([2, 3, K], { device: 'meta' }), weight);
      expect([y.device, y.shape]).toEqual(['meta', [2, 3, M]]);
      const [dw] = grad([y.sum()], [weight]);
      expect(dw?.shape).toEqual([M, K]);
    }));
});

it('leaves no tensor behind', () => {
  const before = liveTensorCount();
  for (let i = 0; i < 50; i++)
    scope(() => {
      const x = empty([2, K]).zero_();
      ours(x, empty([M, K]).zero_().setRequiresGrad(true))
        .sum()
        .backward();
    });
  expect(liveTensorCount()).toBe(before);
});
