import { afterEach, describe, expect, test } from 'vitest';
import { dequantizeRows, type IntegerMatrix } from '../formats/index.js';
import {
  attendProjected,
  gatedActivation,
  isLinear,
  PagedKvCache,
  pagedPreNormBlock,
  projectTogether,
  RmsNorm,
  rotaryTable,
} from '../nn/index.js';
import {
  floatTensor,
  grad,
  liveTensorCount,
  noGrad,
  RandomGenerator,
  randn,
  scope,
  setInvariantLinear,
  type Tensor,
} from '../tensor/index.js';
import { IntegerLinear, packIntegers, placeIntegers } from './index.js';

const random = new RandomGenerator(5);
let state = 1;
/** 0 … count - 1, the same at each run. */
const draw = (count: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * count);
};

interface Form {
  readonly bits: 3 | 4 | 8;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly groups: Int32Array;
  readonly isHalf?: boolean;
}

function matrixOf({ bits, inFeatures, outFeatures, groups, isHalf = false }: Form): IntegerMatrix {
  const places = outFeatures * (Math.max(...groups) + 1);
  return {
    ...{ bits, inFeatures, outFeatures, groups },
    values: Uint8Array.from({ length: inFeatures * outFeatures }, () => draw(2 ** bits)),
    // Eighths are exact in float16; thirds are not.
    scales: Float32Array.from({ length: places }, () => (1 + draw(9)) / (isHalf ? 8 : 3)),
    zeros: Uint8Array.from({ length: places }, () => draw(2 ** bits)),
  };
}

function layerOf(matrix: IntegerMatrix, bias = false, roundsInput = false): IntegerLinear {
  const packed = packIntegers(matrix);
  if (packed === undefined) throw new Error('the groups do not fit');
  const { outFeatures, inFeatures } = matrix;
  const layer = new IntegerLinear([outFeatures, inFeatures], placeIntegers(packed, outFeatures), {
    bias,
    roundsInput,
  });
  if (bias) layer.assign('bias', randn([matrix.outFeatures], random));
  return layer;
}

function weightOf(matrix: IntegerMatrix): Tensor {
  const weights = new Float32Array(matrix.outFeatures * matrix.inFeatures);
  dequantizeRows(matrix, 0, matrix.outFeatures, weights);
  return floatTensor(weights, [matrix.outFeatures, matrix.inFeatures]);
}

const inOrder = (inputs: number, size: number): Int32Array =>
  Int32Array.from({ length: inputs }, (_, input) => Math.floor(input / size));
/** The same groups, their inputs here and there. */
const scattered = (inputs: number, size: number): Int32Array =>
  Int32Array.from({ length: inputs }, (_, input) => Math.floor(((input * 77) % inputs) / size));

const forms: readonly [string, Form][] = [
  ['4 bits, groups of 32', { bits: 4, inFeatures: 96, outFeatures: 13, groups: inOrder(96, 32) }],
  ['4 bits, one group', { bits: 4, inFeatures: 64, outFeatures: 5, groups: inOrder(64, 64), isHalf: true }],
  ['4 bits, a short last group', { bits: 4, inFeatures: 160, outFeatures: 9, groups: inOrder(160, 64) }],
  [
    '4 bits, inputs here and there',
    { bits: 4, inFeatures: 128, outFeatures: 70, groups: scattered(128, 32) },
  ],
  [
    '4 bits, rows that end within a block',
    { bits: 4, inFeatures: 43, outFeatures: 6, groups: inOrder(43, 32) },
  ],
  ['3 bits', { bits: 3, inFeatures: 64, outFeatures: 8, groups: inOrder(64, 32), isHalf: true }],
  ['8 bits, groups of 32', { bits: 8, inFeatures: 96, outFeatures: 13, groups: inOrder(96, 32) }],
  ['8 bits, one group, odd rows', { bits: 8, inFeatures: 37, outFeatures: 3, groups: inOrder(37, 37) }],
];

describe.each(forms)('%s', (_, form) => {
  const matrix = matrixOf(form);
  const layer = layerOf(matrix, true);
  const weight = weightOf(matrix);

  test('the weight is that of the integers, to the bit', () => {
    expect(isLinear(layer)).toBe(true);
    expect(layer.dequantizedWeight().equals(weight)).toBe(true);
    expect(layer.weightBytes).toBeLessThan(weight.numBytes);
  });

  test.each([1, 2, 3, 5, 8, 9, 17, 70])('%i rows', (rows) => {
    noGrad(() => {
      const x = randn([rows, form.inFeatures], random);
      const exact = x
        .to('float64')
        .matmul(weight.to('float64').transpose(0, 1))
        .add(layer.bias ?? 0);
      const y = layer.forward(x);
      const scale = x.abs().to('float64').matmul(weight.abs().to('float64').transpose(0, 1)).max().item();
      expect(y.to('float64').sub(exact).abs().max().item() / scale).toBeLessThan(3e-7);
      // Each row as by itself.
      for (const row of [0, rows - 1])
        expect(layer.forward(x.narrow(0, row, 1)).equals(y.narrow(0, row, 1)), `row ${row}`).toBe(true);
    });
  });

  test('16-bit inputs give 16-bit outputs, float64 is exact', () => {
    noGrad(() => {
      const x = randn([2, 3, form.inFeatures], random);
      for (const dtype of ['bfloat16', 'float16'] as const) {
        const narrow = layer.forward(x.to(dtype));
        expect(narrow.dtype).toBe(dtype);
        expect(narrow.equals(layer.forward(x.to(dtype).to('float32')).to(dtype))).toBe(true);
      }
      const wide = x
        .to('float64')
        .matmul(weight.to('float64').transpose(0, 1))
        .add(layer.bias?.to('float64') ?? 0);
      expect(layer.forward(x.to('float64')).sub(wide).abs().max().item()).toBeLessThan(1e-11);
    });
  });

  test('gradients of input and bias are those of the dense weight', () => {
    const x = randn([4, form.inFeatures], random).setRequiresGrad(true);
    layer.bias?.setRequiresGrad(true);
    const upstream = randn([4, form.outFeatures], random);
    const [ofX, ofBias] = grad([layer.forward(x)], [x, layer.bias ?? x], { gradOutputs: [upstream] });
    layer.bias?.setRequiresGrad(false);
    const [wanted] = [upstream.matmul(weight)];
    expect(ofX?.sub(wanted).abs().max().item()).toBeLessThan(1e-4);
    expect(
      ofBias
        ?.sub(upstream.sum([0]))
        .abs()
        .max()
        .item(),
    ).toBeLessThan(1e-5);
  });
});

test('nothing stays behind a pass or a disposal; integers are no parameters', () => {
  const alive = liveTensorCount();
  const layer = scope(() =>
    layerOf(matrixOf({ bits: 4, inFeatures: 64, outFeatures: 4, groups: scattered(64, 32) }), true),
  );
  expect(layer.namedParameters().map(([path]) => path)).toEqual(['bias']);
  const ready = liveTensorCount();
  for (let pass = 0; pass < 3; pass++)
    scope(() => {
      layer.forward(randn([2, 64], random));
    });
  expect(liveTensorCount()).toBe(ready);
  layer.dispose();
  expect(liveTensorCount()).toBe(alive);
});

test('groups that are not whole blocks are left to the floats', () => {
  for (const groups of [inOrder(64, 16), Int32Array.from({ length: 64 }, (_, input) => (input < 40 ? 0 : 1))])
    expect(packIntegers(matrixOf({ bits: 4, inFeatures: 64, outFeatures: 2, groups }))).toBeUndefined();
});

describe('together, with the bits of each layer alone', () => {
  const inFeatures = 96;
  const parts: readonly Partial<Form>[] = [
    {},
    { outFeatures: 70 },
    { groups: scattered(inFeatures, 32) },
    { bits: 8, outFeatures: 9 },
  ];
  const layers = parts.map((part, index) =>
    layerOf(
      matrixOf({ bits: 4, inFeatures, outFeatures: 13, groups: inOrder(inFeatures, 32), ...part }),
      index % 2 === 1,
    ),
  );
  afterEach(() => setInvariantLinear(false));

  test.each([1, 5, 40])('%i rows', (rows) => {
    setInvariantLinear(true);
    noGrad(() =>
      scope(() => {
        const x = randn([1, rows, inFeatures], random, { dtype: 'bfloat16' });
        for (const chosen of [layers, layers.slice(2), layers.slice(0, 1)])
          for (const [index, together] of projectTogether(x, chosen).entries())
            expect(chosen[index]?.forward(x).equals(together), `layer ${index}`).toBe(true);
      }),
    );
  });

  test.each([
    [1, false],
    [6, false],
    [1, true],
    [6, true],
  ])('a whole block of a model, %i tokens, rounded inputs: %s', (count, roundsInput) => {
    setInvariantLinear(true);
    const [hidden, headDim, inner] = [64, 16, 96];
    const square = (seed: number, bits: 4 | 8, [outFeatures, inputs] = [hidden, hidden]): IntegerLinear =>
      layerOf(
        matrixOf({ bits, inFeatures: inputs, outFeatures, groups: inOrder(inputs, 32) }),
        seed % 2 === 0,
        roundsInput,
      );
    const linears = [
      ...[square(1, 4), square(2, 8, [32, hidden]), square(3, 4, [32, hidden]), square(4, 4)],
      ...[square(5, 4, [inner, hidden]), square(6, 4, [inner, hidden]), square(7, 8, [hidden, inner])],
    ] as const;
    const [q, k, v, o, gate, up, down] = linears;
    const norms = [1, 2].map((seed) => {
      const norm = new RmsNorm(hidden, 1e-6, 'before-weight');
      norm.assign('weight', randn([hidden], new RandomGenerator(seed)));
      return norm;
    });
    const [inputNorm, postAttentionNorm] = norms;
    if (inputNorm === undefined || postAttentionNorm === undefined) throw new Error('two norms');
    noGrad(() =>
      scope(() => {
        const rotary = rotaryTable({
          start: 0,
          length: count,
          headDim,
          base: 1e4,
          dtype: 'float32',
          device: 'cpu',
        });
        const row = [{ count, position: 0, blocks: [0], keyTable: 0 }];
        const [first, second] = [1, 2].map(() => {
          const cache = new PagedKvCache({
            ...{ layers: 1, blocks: 2, numKvHeads: 2, headDim, dtype: 'float32', device: 'cpu', window: 64 },
          });
          return cache.layerOf(0, rotary, cache.prepare(row));
        });
        if (first === undefined || second === undefined) throw new Error('two caches');
        const x = randn([1, count, hidden], random);
        const whole = pagedPreNormBlock(x, { inputNorm, postAttentionNorm, linears }, first);
        const normed = inputNorm.forward(x);
        const mixed = attendProjected(q.forward(normed), k.forward(normed), v.forward(normed), second);
        const h = x.add(o.forward(mixed));
        const after = postAttentionNorm.forward(h);
        const apart = h.add(down.forward(gatedActivation(gate.forward(after), up.forward(after), 'silu')));
        expect(whole?.equals(apart)).toBe(true);
      }),
    );
  });
});
