/** The grouped product against a loop over experts, and what it reads. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  type FloatDType,
  floatTensor,
  grad,
  noGrad,
  operator,
  RandomGenerator,
  randn,
  scope,
  setInvariantLinear,
  type Tensor,
} from '../tensor/index.js';
import { initializeModule } from './init.js';
import { MixtureOfExperts } from './mixture-of-experts.js';

const linear = operator('aten::linear');

const SIZES = { hiddenSize: 10, intermediateSize: 6, experts: 7, perToken: 3, normalise: true };

function mixture(changes: Partial<typeof SIZES> = {}, dtype: FloatDType = 'float64'): MixtureOfExperts {
  const module = new MixtureOfExperts({ ...SIZES, ...changes });
  initializeModule(module, { rule: { kind: 'normal', std: 0.7 }, generator: new RandomGenerator(3), dtype });
  for (const [, parameter] of module.namedParameters()) parameter.setRequiresGrad(true);
  return module;
}

/** Every expert on every token, most of it for nothing. */
function written(module: MixtureOfExperts, x: Tensor, normalise: boolean): Tensor {
  const { router, experts } = module;
  const probabilities = linear(x, router.weight).softmax(-1);
  const values = probabilities.detach();
  const rows = Array.from({ length: x.size(0) }, (_, row) => {
    const own = values.select(0, row).toArray();
    const least = own.toSorted((a, b) => b - a)[router.perToken - 1] ?? 0;
    return own.map((value) => (value >= least ? 1 : 0));
  });
  const isChosen = floatTensor(rows.flat(), [x.size(0), SIZES.experts], { dtype: 'float64' });
  const kept = probabilities.mul(isChosen);
  const weights = normalise ? kept.div(kept.sum([-1], true)) : kept;
  let sum = x.mul(0);
  for (let expert = 0; expert < SIZES.experts; expert++) {
    const gate = linear(x, experts.gateProj.weight.select(0, expert));
    const up = linear(x, experts.upProj.weight.select(0, expert));
    const down = linear(gate.silu().mul(up), experts.downProj.weight.select(0, expert));
    sum = sum.add(down.mul(weights.narrow(1, expert, 1)));
  }
  return sum;
}

afterEach(() => setInvariantLinear(false));

const largest = (a: Tensor, b: Tensor): number => a.sub(b).abs().max().item();

describe.each([true, false])('weights normalised: %s', (normalise) => {
  test.each([1, 2, 40])('%i tokens: output and all gradients are those of a loop over experts', (tokens) => {
    scope(() => {
      const module = mixture({ normalise });
      const x = randn([tokens, SIZES.hiddenSize], new RandomGenerator(5), {
        dtype: 'float64',
      }).setRequiresGrad(true);
      const direction = randn([tokens, SIZES.hiddenSize], new RandomGenerator(6), { dtype: 'float64' });
      const wanted = [x, ...module.namedParameters().map(([, parameter]) => parameter)];
      const [ours, theirs] = [module.forward(x), written(module, x, normalise)];
      expect(largest(ours, theirs)).toBeLessThan(1e-13);
      const gradients = [ours, theirs].map((output) => grad([output], wanted, { gradOutputs: [direction] }));
      for (const [index, own] of (gradients[0] ?? []).entries()) {
        const other = gradients[1]?.[index];
        if (own === null || other === null || other === undefined) throw new Error(`no gradient ${index}`);
        expect(largest(own, other), `gradient ${index}`).toBeLessThan(1e-12);
      }
      module.dispose();
    });
  });
});

test('of experts that no token chose nothing is read, forward or backward, and their gradients are 0', () => {
  scope(() => {
    const module = mixture();
    const x = randn([1, SIZES.hiddenSize], new RandomGenerator(5), { dtype: 'float64' }).setRequiresGrad(
      true,
    );
    const chosen = new Set(module.router.forward(x).chosen.toArray());
    const { gateProj, upProj, downProj } = module.experts;
    const before = module.forward(x).toArray();
    noGrad(() => {
      for (const { weight } of [gateProj, upProj, downProj])
        for (let expert = 0; expert < SIZES.experts; expert++)
          if (!chosen.has(expert)) weight.detach().select(0, expert).fill_(Number.NaN);
    });
    const after = module.forward(x);
    expect(after.toArray()).toEqual(before);
    const [gradX, ...gradients] = grad([after.sum()], [x, gateProj.weight, upProj.weight, downProj.weight]);
    expect(gradX?.isfinite().all().item()).toBe(1);
    for (const gradient of gradients)
      for (let expert = 0; expert < SIZES.experts; expert++)
        expect((gradient?.select(0, expert).abs().max().item() ?? 0) > 0, `expert ${expert}`).toBe(
          chosen.has(expert),
        );
    module.dispose();
  });
});

test.each(['float64', 'float32', 'bfloat16', 'float16'] as const)(
  'the result of a token has the same bits alone and among others, %s',
  (dtype) => {
    setInvariantLinear(true);
    scope(() => {
      const module = mixture({ hiddenSize: 64, intermediateSize: 40 }, dtype);
      const x = randn([77, 64], new RandomGenerator(9), { dtype });
      const all = noGrad(() => module.forward(x));
      for (const [first, count] of [
        [0, 1],
        [41, 1],
        [76, 1],
        [5, 2],
        [30, 40],
      ] as const) {
        const some = noGrad(() => module.forward(x.narrow(0, first, count)));
        expect(some.equals(all.narrow(0, first, count)), `${count} from ${first}`).toBe(true);
      }
      module.dispose();
    });
  },
);

test('wrong counts, dtypes and shapes are refused by the operator', () => {
  const grouped = operator('xinghe::grouped_linear');
  scope(() => {
    const [x, w] = [randn([4, 3], new RandomGenerator(1)), randn([2, 5, 3], new RandomGenerator(1))];
    const counts = (...values: number[]) => floatTensor(values).to('int64');
    expect(grouped(x, w, counts(1, 3)).shape).toEqual([4, 5]);
    expect(grouped(x.narrow(0, 0, 0), w, counts(0, 0)).shape).toEqual([0, 5]);
    expect(() => grouped(x, w, counts(1, 2))).toThrow(/counts sum up to 3, the input has 4 rows/);
    expect(() => grouped(x, w, counts(5, -1))).toThrow(/expert 1 has -1 rows/);
    expect(() => grouped(x, w, counts(4))).toThrow(/one for each expert/);
    expect(() => grouped(x.to('float64'), w, counts(1, 3))).toThrow(/of one dtype/);
  });
});
