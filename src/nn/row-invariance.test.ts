// The operators of a forward pass that treat each token by itself: the bits of a token's result may not depend on how
// many tokens run with it, on its place among them, or on the number of threads. A sequence that is served beside others
// would otherwise read differently than alone. (Linear products and attention have tests of their own.)
//
// Shapes: T tokens, D features, H heads, E head_dim, V vocabulary.
import { afterEach, describe, expect, it } from 'vitest';
import {
  arange,
  type DType,
  getThreads,
  noGrad,
  operator,
  RandomGenerator,
  randn,
  scope,
  setThreads,
  type Tensor,
} from '../tensor/index.js';
import { gatedActivation } from './gated-activation.js';
import { applyRotary } from './rotary.js';

const rmsNorm = operator('xinghe::rms_norm');
const layerNorm = operator('aten::layer_norm');
const embedding = operator('aten::embedding');
const viewAs = operator('aten::view.dtype');

const dtypes = ['float64', 'float32', 'bfloat16', 'float16'] as const;
type TestedDType = (typeof dtypes)[number];
const bits: Record<TestedDType, DType> = {
  float64: 'int64',
  float32: 'int32',
  bfloat16: 'int16',
  float16: 'int16',
};

/** Inputs [T, …], row by row, and the operator on some of their rows, as [1, T, …] like a forward pass has them. */
interface Case {
  readonly inputs: (generator: RandomGenerator, dtype: TestedDType, tokens: number) => Tensor[];
  readonly run: (inputs: readonly Tensor[], first: number) => Tensor; // [1, T, …]
}

function at(inputs: readonly Tensor[], index: number): Tensor {
  const input = inputs[index];
  if (input === undefined) throw new Error(`input ${index}`);
  return input.unsqueeze(0);
}

const rows =
  (count: number, features: number) =>
  (generator: RandomGenerator, dtype: TestedDType, tokens: number): Tensor[] =>
    Array.from({ length: count }, () => randn([tokens, features], generator, { dtype }).mul(3));

const weight = (features: number, dtype: DType, seed: number): Tensor =>
  randn([features], new RandomGenerator(seed), { dtype });

function norms(features: number): Record<string, Case> {
  const inputs = rows(1, features);
  const norm =
    (isRoundedBefore: boolean) =>
    (given: readonly Tensor[]): Tensor => {
      const x = at(given, 0);
      return rmsNorm(x, weight(features, x.dtype, 5), 1e-6, isRoundedBefore);
    };
  return {
    [`rms_norm of ${features}, weight after`]: { inputs, run: norm(false) },
    [`rms_norm of ${features}, weight before`]: { inputs, run: norm(true) },
    [`layer_norm of ${features}`]: {
      inputs,
      run: (given) => {
        const x = at(given, 0);
        return layerNorm(x, [features], weight(features, x.dtype, 6), weight(features, x.dtype, 7), 1e-5);
      },
    },
    [`residual sum of ${features}`]: {
      inputs: rows(2, features),
      run: (given) => at(given, 0).add(at(given, 1)),
    },
    [`product with a number of ${features}`]: { inputs, run: (given) => at(given, 0).mul(0.123) },
  };
}

function gates(features: number): Record<string, Case> {
  const two = rows(2, features);
  const cases: Record<string, Case> = {};
  for (const activation of ['silu', 'gelu_tanh'] as const) {
    cases[`${activation} gate of ${features}`] = {
      inputs: two,
      run: (given) => gatedActivation(at(given, 0), at(given, 1), activation),
    };
    cases[`${activation} gate of ${features}, halves of one projection`] = {
      inputs: rows(1, 2 * features),
      run: (given) => {
        const both = at(given, 0);
        return gatedActivation(both.narrow(2, 0, features), both.narrow(2, features, features), activation);
      },
    };
  }
  return cases;
}

function rotaries(heads: number, headDim: number): Record<string, Case> {
  return {
    [`rotary of ${heads} heads of ${headDim}`]: {
      inputs: rows(1, heads * headDim),
      run: (given, first) => {
        const x = at(given, 0);
        const tokens = x.size(1);
        const angles = arange(first, first + tokens, { dtype: 'float64' })
          .unsqueeze(1)
          .mul(arange(1, headDim + 1, { dtype: 'float64' }).mul(0.1));
        const table = { cos: angles.cos().to(x.dtype), sin: angles.sin().to(x.dtype) };
        return applyRotary(x.view([1, tokens, heads, headDim]).transpose(1, 2), table).transpose(1, 2);
      },
    },
  };
}

const features = [3, 37, 64, 1000, 5120];
const cases: Record<string, Case> = Object.assign(
  {},
  ...features.map(norms),
  ...features.map(gates),
  ...[22, 64, 128, 160].map((headDim) => rotaries(5, headDim)),
  {
    embedding: {
      inputs: (_: RandomGenerator, __: TestedDType, tokens: number) => [arange(0, tokens).mul(7)],
      run: (given: readonly Tensor[]) =>
        embedding(randn([1000, 67], new RandomGenerator(2), { dtype: 'float32' }), at(given, 0)),
    },
  },
);

/** Rows of the output as whole numbers of the same width. */
const asBits = (x: Tensor): Tensor => {
  const dtype = dtypes.find((each) => each === x.dtype);
  if (dtype === undefined) throw new TypeError(x.dtype);
  return viewAs(x.contiguous(), bits[dtype]);
};

const threads = getThreads();
afterEach(() => setThreads(threads));

/** All rows at once on one thread, against every way of taking them in parts. */
function check({ inputs, run }: Case, dtype: TestedDType, tokens: number): void {
  const given = inputs(new RandomGenerator(8), dtype, tokens);
  const take = (first: number, count: number): Tensor =>
    asBits(
      run(
        given.map((x) => x.narrow(0, first, count)),
        first,
      ),
    );
  setThreads(1);
  const whole = take(0, tokens);
  for (const threadCount of [1, 2]) {
    setThreads(threadCount);
    for (const count of [1, 3, 16, 33, tokens])
      for (let first = 0; first + count <= tokens; first += count) {
        const isSame = take(first, count).equals(whole.narrow(1, first, count));
        expect(isSame, `rows ${first} to ${first + count - 1} on ${threadCount} threads`).toBe(true);
      }
  }
}

describe.each(dtypes)('%s', (dtype) => {
  it.each(Object.keys(cases))('%s', (name) => {
    const tested = cases[name];
    if (tested === undefined) throw new Error(name);
    noGrad(() => scope(() => check(tested, dtype, 67)));
  });
});

// Log-probabilities are always taken of float32 rows.
it.each([5, 1000, 32_003, 131_072])('log_softmax of %i float32 logits', (classes) => {
  const tested: Case = {
    inputs: rows(1, classes),
    run: (given) => at(given, 0).logSoftmax(-1),
  };
  noGrad(() => scope(() => check(tested, 'float32', classes > 100_000 ? 9 : 67)));
});

it('finds an operator that looks at other rows', () => {
  const centred: Case = {
    inputs: rows(1, 8),
    run: (given) => at(given, 0).sub(at(given, 0).mean([1], true)),
  };
  noGrad(() => scope(() => expect(() => check(centred, 'float32', 67)).toThrow(/rows 0 to 0 on 1 threads/)));
});
