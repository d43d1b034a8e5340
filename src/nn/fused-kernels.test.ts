// The fused CPU kernels against the same formula composed of libtorch's operators, forward and all gradients.
// Shapes: B batch, H heads, T tokens, E head_dim, D features, V classes.
import { describe, expect, it } from 'vitest';
import {
  arange,
  cat,
  type DType,
  empty,
  grad,
  intTensor,
  liveTensorCount,
  noGrad,
  operator,
  RandomGenerator,
  randn,
  scope,
  setThreads,
  type Tensor,
  zeros,
} from '../tensor/index.js';
import { gatedActivation } from './gated-activation.js';
import { weightedCrossEntropySum } from './loss.js';
import { accumulationDType } from './norm.js';
import { applyRotary } from './rotary.js';

const rmsNorm = operator('xinghe::rms_norm');
const crossEntropy = operator('aten::cross_entropy_loss');

type Kernel = (...inputs: Tensor[]) => Tensor;

/** A kernel, the formula it stands for, and inputs that want gradients. */
interface Case {
  readonly fused: Kernel;
  readonly composed: Kernel;
  readonly inputs: (generator: RandomGenerator, dtype: DType) => Tensor[];
}

const dtypes = ['float64', 'float32', 'bfloat16', 'float16'] as const;
type TestedDType = (typeof dtypes)[number];

// Relative to the largest element. The narrow types differ by what the composed formula rounds in between.
const tolerances: Record<TestedDType, number> = {
  float64: 1e-13,
  float32: 3e-6,
  bfloat16: 0.02,
  float16: 2e-3,
};

function difference(actual: Tensor | null | undefined, expected: Tensor | null | undefined): number {
  if (!actual || !expected) throw new Error('a result is missing');
  expect(actual.shape).toEqual(expected.shape);
  expect(actual.dtype).toBe(expected.dtype);
  if (expected.numElements === 0) return 0;
  const wide = expected.to('float64');
  const scale = Math.max(wide.abs().max().item(), 1e-6);
  return actual.to('float64').sub(wide).abs().max().item() / scale;
}

const composedNorm =
  (eps: number, isRoundedBefore: boolean): Kernel =>
  (x, weight) => {
    if (x === undefined || weight === undefined) throw new Error('rms_norm takes two tensors');
    const wide = x.to(accumulationDType(x.dtype));
    const normed = wide.mul(wide.mul(wide).mean([-1], true).add(eps).rsqrt());
    return isRoundedBefore ? normed.to(x.dtype).mul(weight.to(x.dtype)) : normed.mul(weight).to(x.dtype);
  };

function normCase(shape: readonly number[], isRoundedBefore: boolean, layout?: (x: Tensor) => Tensor): Case {
  const features = shape.at(-1) ?? 0;
  return {
    fused: (x, weight) => rmsNorm(x ?? empty([0]), weight ?? empty([0]), 1e-5, isRoundedBefore),
    composed: composedNorm(1e-5, isRoundedBefore),
    inputs: (generator, dtype) => {
      const x = randn(layout === undefined ? shape : [features, ...shape.slice(0, -1)], generator, { dtype });
      return [layout?.(x) ?? x, randn([features], generator, { dtype })];
    },
  };
}

function gateCase(
  activation: 'silu' | 'gelu_tanh',
  make: (g: RandomGenerator, dtype: DType) => Tensor[],
): Case {
  return {
    fused: (gate, up) => gatedActivation(gate ?? empty([0]), up ?? empty([0]), activation),
    composed: (gate, up) => {
      if (gate === undefined || up === undefined) throw new Error('gated_activation takes two tensors');
      return (activation === 'silu' ? gate.silu() : gate.gelu('tanh')).mul(up);
    },
    inputs: make,
  };
}

function tables(tokens: number, headDim: number, dtype: DType): { cos: Tensor; sin: Tensor } {
  const angles = arange(0, tokens, { dtype: 'float64' })
    .unsqueeze(1)
    .mul(arange(1, headDim + 1, { dtype: 'float64' }).mul(0.1));
  return { cos: angles.cos().to(dtype), sin: angles.sin().to(dtype) };
}

function rotaryCase(make: (g: RandomGenerator, dtype: DType) => Tensor): Case {
  return {
    fused: (x) => {
      if (x === undefined) throw new Error('rotary takes a tensor');
      return applyRotary(x, tables(x.size(2), x.size(3), x.dtype));
    },
    composed: (x) => {
      if (x === undefined) throw new Error('rotary takes a tensor');
      const { cos, sin } = tables(x.size(2), x.size(3), x.dtype);
      const half = x.size(3) / 2;
      const turned = cat([x.narrow(3, half, half).neg(), x.narrow(3, 0, half)], -1);
      return x.mul(cos).add(turned.mul(sin));
    },
    inputs: (generator, dtype) => [make(generator, dtype)],
  };
}

function lossCase(rows: number, classes: number, layout?: (x: Tensor) => Tensor): Case {
  const targets = (): Tensor =>
    intTensor(
      Array.from({ length: rows }, (_, row) => (row * 5) % classes),
      [rows],
    );
  const weights = (dtype: DType): Tensor =>
    arange(0, rows, { dtype: accumulationDType(dtype) })
      .sub(1)
      .mul(0.5);
  return {
    fused: (x) => weightedCrossEntropySum(x ?? empty([0]), targets(), weights(x?.dtype ?? 'float32')),
    composed: (x) => {
      if (x === undefined) throw new Error('weighted_cross_entropy takes logits');
      const losses = crossEntropy(x.to(accumulationDType(x.dtype)), targets(), undefined, 0);
      return losses.mul(weights(x.dtype)).sum();
    },
    inputs: (generator, dtype) => {
      const x = randn(layout === undefined ? [rows, classes] : [classes, rows], generator, { dtype });
      return [layout?.(x) ?? x];
    },
  };
}

const plain =
  (...shape: number[]) =>
  (generator: RandomGenerator, dtype: DType): Tensor[] => [
    randn(shape, generator, { dtype }).mul(4),
    randn(shape, generator, { dtype }),
  ];
const halves = (generator: RandomGenerator, dtype: DType): Tensor[] => {
  const wide = randn([3, 5, 2 * 37], generator, { dtype });
  return [wide.narrow(-1, 0, 37), wide.narrow(-1, 37, 37)];
};
const turned = (x: Tensor): Tensor => (x.numDims === 2 ? x.transpose(0, 1) : x.permute([1, 2, 0]));

const cases: Record<string, Case> = {
  'rms_norm, weight after': normCase([2, 7, 37], false),
  'rms_norm, weight before': normCase([2, 7, 37], true),
  'rms_norm, one row': normCase([64], false),
  'rms_norm, three features': normCase([5, 3], false),
  'rms_norm, many rows on all threads': normCase([1531, 67], false),
  'rms_norm, transposed': normCase([3, 5, 19], true, turned),
  'rms_norm, no rows': normCase([0, 8], false),
  'silu gate': gateCase('silu', plain(2, 3, 37)),
  'gelu gate': gateCase('gelu_tanh', plain(2, 3, 37)),
  'silu gate, many rows on all threads': gateCase('silu', plain(401, 131)),
  'silu gate, halves of one tensor': gateCase('silu', halves),
  'gelu gate, halves of one tensor': gateCase('gelu_tanh', halves),
  'gelu gate, transposed': gateCase('gelu_tanh', (g, dtype) =>
    plain(19, 6)(g, dtype).map((x) => x.transpose(0, 1)),
  ),
  'silu gate, empty': gateCase('silu', plain(2, 0)),
  'silu gate, broadcast': gateCase('silu', (g, dtype) => [
    randn([4, 6], g, { dtype }),
    randn([1, 6], g, { dtype }),
  ]),
  'rotary, heads outside': rotaryCase((g, dtype) => randn([2, 3, 5, 22], g, { dtype })),
  'rotary, view of [B, T, H, E]': rotaryCase((g, dtype) =>
    randn([2, 5, 3, 16], g, { dtype }).transpose(1, 2),
  ),
  'rotary, head_dim 160, all threads': rotaryCase((g, dtype) =>
    randn([2, 67, 4, 160], g, { dtype }).transpose(1, 2),
  ),
  'rotary, part of a wider projection': rotaryCase((g, dtype) =>
    randn([2, 5, 3, 48], g, { dtype }).narrow(3, 16, 16).transpose(1, 2),
  ),
  'rotary, head_dim not innermost': rotaryCase((g, dtype) =>
    randn([2, 3, 8, 5], g, { dtype }).transpose(2, 3),
  ),
  'rotary, one token': rotaryCase((g, dtype) => randn([1, 3, 1, 8], g, { dtype })),
  'rotary, no tokens': rotaryCase((g, dtype) => randn([1, 3, 0, 8], g, { dtype })),
  'cross-entropy': lossCase(7, 37),
  'cross-entropy, many rows on all threads': lossCase(301, 203),
  'cross-entropy, two classes': lossCase(5, 2),
  'cross-entropy, transposed': lossCase(6, 11, turned),
};

function compare({ fused, composed, inputs }: Case, dtype: TestedDType): void {
  const generator = new RandomGenerator(3);
  const leaves = inputs(generator, dtype).map((x) => x.detach().setRequiresGrad(true));
  const expected = composed(...leaves);
  const actual = fused(...leaves);
  expect(difference(actual, expected), 'output').toBeLessThanOrEqual(tolerances[dtype]);
  expect(
    difference(
      noGrad(() => fused(...leaves)),
      expected,
    ),
    'no-grad',
  ).toBeLessThanOrEqual(tolerances[dtype]);
  const gradOutputs = [randn(expected.shape, generator, { dtype: expected.dtype })];
  const gradients = grad([actual], leaves, { gradOutputs });
  const expectedGradients = grad([expected], leaves, { gradOutputs });
  for (const [index, gradient] of gradients.entries())
    expect(difference(gradient, expectedGradients[index]), `gradient ${index}`).toBeLessThanOrEqual(
      tolerances[dtype],
    );
}

describe.each(dtypes)('%s', (dtype) => {
  it.each(Object.keys(cases))('%s', (name) => {
    const tested = cases[name];
    if (tested === undefined) throw new Error(name);
    scope(() => compare(tested, dtype));
  });
});

describe('float64', () => {
  const small = [
    'rms_norm, weight after',
    'silu gate',
    'gelu gate',
    'rotary, heads outside',
    'cross-entropy',
  ];

  it.each(small)('gradients by finite differences: %s', (name) =>
    scope(() => {
      const tested = cases[name];
      if (tested === undefined) throw new Error(name);
      const generator = new RandomGenerator(5);
      const leaves = tested.inputs(generator, 'float64').map((x) => x.setRequiresGrad(true));
      const output = tested.fused(...leaves);
      const direction = randn(output.shape, generator, { dtype: 'float64' });
      const gradients = grad([output], leaves, { gradOutputs: [direction] });
      for (const [index, leaf] of leaves.entries()) {
        const step = randn(leaf.shape, generator, { dtype: 'float64' });
        const at = (sign: number): number =>
          noGrad(() =>
            tested
              .fused(...leaves.map((other, i) => (i === index ? other.add(step.mul(sign * 1e-5)) : other)))
              .mul(direction)
              .sum()
              .item(),
          );
        const measured = (at(1) - at(-1)) / 2e-5;
        const told = gradients[index]?.mul(step).sum().item() ?? Number.NaN;
        expect(Math.abs(told - measured) / Math.max(1, Math.abs(measured)), `input ${index}`).toBeLessThan(
          1e-8,
        );
      }
    }),
  );

  it.each(small)('second derivatives: %s', (name) =>
    scope(() => {
      const tested = cases[name];
      if (tested === undefined) throw new Error(name);
      const leaves = tested.inputs(new RandomGenerator(5), 'float64').map((x) => x.setRequiresGrad(true));
      const second = (kernel: Kernel): (Tensor | null)[] => {
        const first = grad(
          [
            kernel(...leaves)
              .pow(2)
              .sum(),
          ],
          leaves,
          { createGraph: true },
        );
        const sum = first.reduce<Tensor | undefined>((total, gradient) => {
          if (gradient === null) throw new Error('a gradient is missing');
          const squares = gradient.pow(2).sum();
          return total?.add(squares) ?? squares;
        }, undefined);
        if (sum === undefined) throw new Error('no gradient');
        return grad([sum], leaves);
      };
      const expected = second(tested.composed);
      for (const [index, gradient] of second(tested.fused).entries())
        expect(difference(gradient, expected[index]), `input ${index}`).toBeLessThan(1e-12);
    }),
  );
});

it('gives the same bits on one thread and on two', () =>
  scope(() => {
    const run = (name: string): Tensor[] => {
      const tested = cases[name];
      if (tested === undefined) throw new Error(name);
      const leaves = tested.inputs(new RandomGenerator(9), 'float32').map((x) => x.setRequiresGrad(true));
      const output = tested.fused(...leaves);
      return [output, ...grad([output.pow(2).sum()], leaves).flatMap((gradient) => gradient ?? [])];
    };
    for (const name of Object.keys(cases).filter((key) => key.includes('all threads'))) {
      setThreads(1);
      const one = run(name);
      setThreads(2);
      for (const [index, tensor] of run(name).entries())
        expect(
          tensor
            .sub(one[index] ?? empty([0]))
            .abs()
            .max()
            .item(),
          `${name}, result ${index}`,
        ).toBe(0);
    }
  }));

it('the exponential is within 2 units in the last place of float32', () =>
  scope(() => {
    // The gradient of -log softmax([0, -d])[0] = log(1 + exp(-d)) with respect to the second logit is exp(-d), within
    // its ulp, for large d.
    const distances = arange(20, 88, { dtype: 'float64' }).add(0.37);
    const logits = cat(
      [zeros(distances.shape, { dtype: 'float64' }).unsqueeze(1), distances.neg().unsqueeze(1)],
      1,
    )
      .to('float32')
      .setRequiresGrad(true);
    const rows = logits.size(0);
    const loss = weightedCrossEntropySum(
      logits,
      zeros([rows], { dtype: 'int64' }),
      arange(0, rows).mul(0).add(1),
    );
    const [gradient] = grad([loss], [logits]);
    const exact = logits.detach().to('float64').narrow(1, 1, 1).exp();
    const error =
      gradient?.to('float64').narrow(1, 1, 1).sub(exact).div(exact).abs().max().item() ?? Number.NaN;
    expect(error).toBeLessThan(2 * 2 ** -23);
  }));

describe('weighted cross-entropy', () => {
  const weights = (values: number[]): Tensor => intTensor(values, [values.length]).to('float32');

  it.each([-1, -100, 11])('refuses target %i of 11 classes', (target) =>
    scope(() =>
      expect(() =>
        weightedCrossEntropySum(zeros([2, 11]), intTensor([0, target], [2]), weights([1, 1])),
      ).toThrow(new RegExp(`target ${target} of row 1 is out of range; there are 11 classes`)),
    ),
  );

  it('does not read rows of weight 0', () =>
    scope(() => {
      const logits = cat([zeros([1, 4]), zeros([1, 4]).div(0)], 0).setRequiresGrad(true);
      const loss = weightedCrossEntropySum(logits, intTensor([2, 1], [2]), weights([1, 0]));
      expect(loss.item()).toBeCloseTo(Math.log(4), 6);
      const [gradient] = grad([loss], [logits]);
      expect(gradient?.narrow(0, 1, 1).abs().max().item()).toBe(0);
    }));

  it.each([-100, -1, 11])(
    'takes any target of a row of weight 0, here %i, fused and composed alike',
    (target) =>
      scope(() => {
        const values = randn([3, 11], new RandomGenerator(3));
        const results = [false, true].map((isComposed) => {
          const logits = values.mul(1).detach().setRequiresGrad(true);
          // Integers as weights are not the fused kernel's.
          const factors = isComposed ? intTensor([1, 0, 2], [3]) : weights([1, 0, 2]);
          const loss = weightedCrossEntropySum(logits, intTensor([4, target, 7], [3]), factors);
          const [gradient] = grad([loss], [logits]);
          return { loss: loss.item(), gradient };
        });
        expect(results[0]?.loss).toBeCloseTo(results[1]?.loss ?? Number.NaN, 5);
        expect(difference(results[0]?.gradient, results[1]?.gradient)).toBeLessThan(1e-6);
        expect(results[1]?.gradient?.narrow(0, 1, 1).abs().max().item()).toBe(0);
      }),
  );

  it.each([-100, -1, 11])('refuses target %i where it counts, composed too', (target) =>
    scope(() =>
      expect(() =>
        weightedCrossEntropySum(zeros([2, 11]), intTensor([0, target], [2]), intTensor([1, 1], [2])),
      ).toThrow(/out of (range|bounds)/),
    ),
  );

  it('is exact for logits that overflow an exponential', () =>
    scope(() => {
      const logits = intTensor([1000, 0, -1000], [1, 3]).to('float32').setRequiresGrad(true);
      const loss = weightedCrossEntropySum(logits, intTensor([1], [1]), weights([1]));
      expect(loss.item()).toBe(1000);
      const [gradient] = grad([loss], [logits]);
      const exact = intTensor([1, -1, 0], [1, 3]).to('float32');
      expect(difference(gradient, exact)).toBe(0);
    }));

  it('is NaN where a logit is', () =>
    scope(() => {
      const logits = cat([zeros([1, 20]), zeros([1, 1]).div(0)], 1);
      expect(weightedCrossEntropySum(logits, intTensor([1], [1]), weights([1])).item()).toBeNaN();
    }));
});

it('gates of large and of no finite size are those of libtorch', () =>
  scope(() => {
    const gate = intTensor([-1000, -104, -90, 90, 1000], [5]).to('float32');
    const up = gate.mul(0).add(1);
    for (const activation of ['silu', 'gelu_tanh'] as const) {
      const expected = activation === 'silu' ? gate.silu() : gate.gelu('tanh');
      const error = gatedActivation(gate, up, activation).sub(expected).abs().max().item();
      expect(error, activation).toBeLessThan(1e-30);
    }
    expect(gatedActivation(gate.div(0), up, 'silu').narrow(0, 4, 1).item()).toBe(Number.POSITIVE_INFINITY);
    expect(gatedActivation(gate.mul(Number.NaN), up, 'silu').narrow(0, 4, 1).item()).toBeNaN();
  }));

it('says what is wrong', () =>
  scope(() => {
    const gated = operator('xinghe::gated_activation');
    expect(() => gated(zeros([2]), zeros([2]), 'relu')).toThrow(
      /activation "relu"; it may be silu or gelu_tanh/,
    );
    expect(() => rmsNorm(zeros([2, 3]), zeros([4]), 1e-5, false)).toThrow(/size of tensor/);
    expect(() => applyRotary(zeros([1, 1, 1, 3]), tables(1, 3, 'float32'))).toThrow(/odd head_dim/);
  }));

it('plans shapes on the meta device', () =>
  scope(() => {
    const x = empty([2, 3, 8], { device: 'meta' }).setRequiresGrad(true);
    const y = gatedActivation(rmsNorm(x, empty([8], { device: 'meta' }), 1e-5, false), x, 'silu');
    expect([y.device, y.shape]).toEqual(['meta', [2, 3, 8]]);
    expect(grad([y.sum()], [x])[0]?.shape).toEqual([2, 3, 8]);
  }));

it('leaves no tensor behind', () => {
  const before = liveTensorCount();
  for (const tested of Object.values(cases)) scope(() => compare(tested, 'float32'));
  expect(liveTensorCount()).toBe(before);
});
