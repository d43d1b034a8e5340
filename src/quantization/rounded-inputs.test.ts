/** Products of rounded inputs with integers, to the bit, as the formula gives them; on all instructions that there are. */
import { afterEach, describe, expect, test } from 'vitest';
import { dequantizeRows, type IntegerMatrix } from '../formats/index.js';
import { projectTogether } from '../nn/index.js';
import {
  floatTensor,
  full,
  grad,
  noGrad,
  RandomGenerator,
  randn,
  scope,
  setInvariantLinear,
} from '../tensor/index.js';
import {
  IntegerEmbedding,
  IntegerLinear,
  type IntegerTensors,
  packIntegers,
  placeIntegers,
} from './index.js';

const random = new RandomGenerator(7);
let state = 3;
/** 0 … count - 1, the same at each run. */
const draw = (count: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * count);
};

const INSTRUCTIONS = ['plain', 'avx2', 'avx512', ''] as const;
afterEach(() => setInvariantLinear(false));

interface Form {
  readonly bits: 4 | 8;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly groupSize: number;
  readonly isScattered?: boolean;
  readonly isHalf?: boolean;
  readonly isSigned?: boolean;
  /** All codes at an end, which adds up to the most that there can be. */
  readonly isExtreme?: boolean;
}

function matrixOf(form: Form): IntegerMatrix {
  const {
    bits,
    inFeatures,
    outFeatures,
    groupSize,
    isScattered = false,
    isHalf = false,
    isExtreme = false,
  } = form;
  const places = outFeatures * Math.ceil(inFeatures / groupSize);
  return {
    ...{ bits, inFeatures, outFeatures },
    groups: Int32Array.from({ length: inFeatures }, (_, input) =>
      Math.floor((isScattered ? (input * 77) % inFeatures : input) / groupSize),
    ),
    values: Uint8Array.from({ length: inFeatures * outFeatures }, () =>
      isExtreme ? 2 ** bits - 1 : draw(2 ** bits),
    ),
    // Eighths are exact in float16; thirds are not.
    scales: Float32Array.from({ length: places }, () => (1 + draw(9)) / (isHalf ? 8 : 3)),
    zeros: Uint8Array.from({ length: places }, () => (isExtreme ? 0 : draw(2 ** bits))),
  };
}

function tensorsOf(matrix: IntegerMatrix, isSigned = false): IntegerTensors {
  const packed = packIntegers(matrix);
  if (packed === undefined) throw new Error('the groups do not fit');
  const tensors = placeIntegers(packed, matrix.outFeatures);
  if (!isSigned) return tensors;
  return { ...tensors, packed: scope(() => tensors.packed.to('float32').sub(128).to('int8').keep()) };
}

function layerOf(
  matrix: IntegerMatrix,
  { isSigned = false, bias = true, roundsInput = true } = {},
): IntegerLinear {
  const { outFeatures, inFeatures } = matrix;
  const layer = new IntegerLinear([outFeatures, inFeatures], tensorsOf(matrix, isSigned), {
    bias,
    roundsInput,
  });
  if (bias) layer.assign('bias', randn([outFeatures], random));
  return layer;
}

/** Inputs that share a scale. */
const inputGroup = (groupSize: number): number =>
  groupSize <= 128 ? groupSize : groupSize % 64 === 0 ? 64 : 32;

/** The formula, rounded to float32 where the kernels round. @param inputs [N, I] @returns [N, O] */
function reference(
  matrix: IntegerMatrix,
  inputs: Float32Array,
  bias: Float32Array | undefined,
): Float32Array {
  const { inFeatures, outFeatures, values, scales, zeros } = matrix;
  const groups = scales.length / outFeatures;
  const packed = packIntegers(matrix);
  const [order, groupSize] = [packed?.order, packed?.groupSize ?? 32];
  const size = inputGroup(groupSize);
  const rows = inputs.length / inFeatures;
  const outputs = new Float32Array(rows * outFeatures);
  for (let row = 0; row < rows; row++) {
    const at = (place: number): number => inputs[row * inFeatures + (order?.[place] ?? place)] ?? 0;
    const sums = new Float32Array(outFeatures);
    for (let first = 0; first < inFeatures; first += size) {
      const places = Array.from({ length: Math.min(size, inFeatures - first) }, (_, i) => first + i);
      const most = places.reduce((largest, place) => {
        const magnitude = Math.abs(at(place));
        return Number.isNaN(magnitude) || magnitude > largest ? magnitude : largest;
      }, 0);
      const [scale, codes] = rounded(places.map(at), most);
      const ofWeight = Math.floor(first / groupSize);
      for (let output = 0; output < outFeatures; output++) {
        const zero = zeros[output * groups + ofWeight] ?? 0;
        const exact = places.reduce(
          (sum, place, i) =>
            sum + ((values[output * inFeatures + (order?.[place] ?? place)] ?? 0) - zero) * (codes[i] ?? 0),
          0,
        );
        const term = Math.fround(Math.fround(exact * scale) * (scales[output * groups + ofWeight] ?? 0));
        sums[output] = Math.fround((sums[output] ?? 0) + term);
      }
    }
    for (let output = 0; output < outFeatures; output++)
      outputs[row * outFeatures + output] = (sums[output] ?? 0) + (bias?.[output] ?? 0);
  }
  return outputs;
}

/** To the nearest, ties to even. */
function rounded(values: readonly number[], most: number): [scale: number, codes: number[]] {
  if (!Number.isFinite(most)) return [Number.NaN, values.map(() => 0)];
  if (most < 1e-30) return [0, values.map(() => 0)];
  const factor = Math.fround(127 / most);
  return [
    Math.fround(most / 127),
    values.map((value) => Math.fround(Math.fround(value * factor) + 12_582_912) - 12_582_912),
  ];
}

const forms: readonly [string, Form][] = [
  ['4 bits, groups of 32', { bits: 4, inFeatures: 96, outFeatures: 45, groupSize: 32 }],
  [
    '4 bits, groups of 64, float16 scales',
    { bits: 4, inFeatures: 192, outFeatures: 70, groupSize: 64, isHalf: true },
  ],
  ['4 bits, groups of 96', { bits: 4, inFeatures: 192, outFeatures: 7, groupSize: 96 }],
  [
    '4 bits, groups of 128, a short last one',
    { bits: 4, inFeatures: 576, outFeatures: 33, groupSize: 128, isHalf: true },
  ],
  ['4 bits, groups of 160', { bits: 4, inFeatures: 320, outFeatures: 5, groupSize: 160 }],
  ['4 bits, a row of many chunks', { bits: 4, inFeatures: 1216, outFeatures: 34, groupSize: 1216 }],
  ['4 bits, many groups', { bits: 4, inFeatures: 1120, outFeatures: 3, groupSize: 32, isHalf: true }],
  [
    '4 bits, inputs here and there',
    { bits: 4, inFeatures: 128, outFeatures: 70, groupSize: 32, isScattered: true },
  ],
  ['4 bits, rows that end within a block', { bits: 4, inFeatures: 43, outFeatures: 6, groupSize: 32 }],
  ['8 bits, groups of 32', { bits: 8, inFeatures: 96, outFeatures: 33, groupSize: 32 }],
  ['8 bits, groups of 128', { bits: 8, inFeatures: 384, outFeatures: 40, groupSize: 128, isHalf: true }],
  ['8 bits, one group, odd rows', { bits: 8, inFeatures: 37, outFeatures: 1, groupSize: 64 }],
  ['8 bits, signed', { bits: 8, inFeatures: 544, outFeatures: 35, groupSize: 544, isSigned: true }],
  [
    '8 bits, the most that a group adds up to',
    { bits: 8, inFeatures: 256, outFeatures: 9, groupSize: 128, isExtreme: true },
  ],
  [
    '4 bits, the most that a group adds up to',
    { bits: 4, inFeatures: 256, outFeatures: 9, groupSize: 128, isExtreme: true },
  ],
];

describe.each(forms)('%s', (_, form) => {
  const matrix = matrixOf(form);
  const layer = layerOf(matrix, { isSigned: form.isSigned ?? false });
  const { inFeatures } = form;
  const bias = layer.bias && Float32Array.from(layer.bias.toArray());

  // Rows are multiplied six at a time, the rest together.
  test.each([1, 2, 3, 10, 11])('%i rows', (rows) => {
    noGrad(() =>
      scope(() => {
        const x = form.isExtreme === true ? full([rows, inFeatures], 1) : randn([rows, inFeatures], random);
        const exact = reference(matrix, Float32Array.from(x.toArray()), bias);
        for (const instructions of INSTRUCTIONS) {
          setInvariantLinear(true, instructions);
          const y = layer.forward(x);
          expect(Float32Array.from(y.toArray()), instructions).toEqual(exact);
        }
      }),
    );
  });

  test('a row is the same among hundreds, and near the product of the weights', () => {
    noGrad(() =>
      scope(() => {
        const x = randn([250, inFeatures], random);
        const weights = new Float32Array(matrix.outFeatures * inFeatures);
        dequantizeRows(matrix, 0, matrix.outFeatures, weights);
        const dense = x
          .matmul(floatTensor(weights, [matrix.outFeatures, inFeatures]).transpose(0, 1))
          .add(layer.bias ?? 0);
        const size = dense.abs().max().item();
        for (const instructions of INSTRUCTIONS) {
          setInvariantLinear(true, instructions);
          const y = layer.forward(x);
          for (const row of [0, 119, 120, 121, 249])
            expect(
              layer.forward(x.narrow(0, row, 1)).equals(y.narrow(0, row, 1)),
              `${instructions} ${row}`,
            ).toBe(true);
          // An input is off by 1/254 of the largest of its group at most.
          expect(y.sub(dense).abs().max().item() / size).toBeLessThan(0.02);
        }
      }),
    );
  });
});

describe('inputs', () => {
  const form: Form = { bits: 4, inFeatures: 128, outFeatures: 40, groupSize: 32 };
  const matrix = matrixOf(form);
  const layer = layerOf(matrix, { bias: false });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    '%f makes its row NaN and no other',
    (bad) => {
      noGrad(() =>
        scope(() => {
          const values = Float32Array.from(randn([3, 128], random).toArray());
          values[128 + 77] = bad;
          for (const instructions of INSTRUCTIONS) {
            setInvariantLinear(true, instructions);
            const y = layer.forward(floatTensor(values, [3, 128])).toArray();
            expect(y.map((each) => Number.isNaN(each))).toEqual(y.map((_, i) => i >= 40 && i < 80));
          }
        }),
      );
    },
  );

  test('groups of zeros, tiny and huge numbers', () => {
    noGrad(() =>
      scope(() => {
        const values = Float32Array.from(
          { length: 4 * 128 },
          (_, i) => [0, 1e-42, 1e-31, 2e-30, 1, 1e32][Math.floor(i / 32) % 6]! * (draw(201) - 100),
        );
        const exact = reference(matrix, values, undefined);
        expect(exact.every(Number.isFinite)).toBe(true);
        for (const instructions of INSTRUCTIONS) {
          setInvariantLinear(true, instructions);
          expect(Float32Array.from(layer.forward(floatTensor(values, [4, 128])).toArray())).toEqual(exact);
        }
      }),
    );
  });

  test('16 bits give 16 bits, float64 is exact', () => {
    noGrad(() =>
      scope(() => {
        const exact = layerOf(matrix, { bias: false, roundsInput: false });
        const x = randn([2, 3, 128], random);
        for (const dtype of ['bfloat16', 'float16'] as const)
          expect(layer.forward(x.to(dtype)).equals(layer.forward(x.to(dtype).to('float32')).to(dtype))).toBe(
            true,
          );
        expect(layer.forward(x.to('float64')).equals(exact.forward(x.to('float64')))).toBe(true);
        expect(layer.forward(x).equals(exact.forward(x))).toBe(false);
        expect(layer.forward(x.narrow(1, 0, 0)).shape).toEqual([2, 0, 40]);
      }),
    );
  });

  test('nothing is rounded while a graph is recorded', () => {
    const exact = layerOf(matrix, { bias: false, roundsInput: false });
    const x = randn([4, 128], random).setRequiresGrad(true);
    const [ours, theirs] = [layer, exact].map((each) => {
      const y = each.forward(x);
      const [gradient] = grad([y.mul(y).sum()], [x]);
      return [y, gradient] as const;
    });
    expect(ours?.[0].equals(theirs?.[0] ?? x)).toBe(true);
    expect(theirs?.[1] && ours?.[1]?.equals(theirs[1])).toBe(true);
  });
});

test('layers of one input together, of several kinds, have the bits of each alone', () => {
  const base = { bits: 4, inFeatures: 256, outFeatures: 70, groupSize: 32 } as const;
  const layers = [
    {},
    { outFeatures: 3 },
    { groupSize: 128 },
    { bits: 8 as const },
    { isScattered: true },
  ].map((part, index) => layerOf(matrixOf({ ...base, ...part }), { bias: index % 2 === 0 }));
  noGrad(() =>
    scope(() => {
      for (const instructions of INSTRUCTIONS) {
        setInvariantLinear(true, instructions);
        for (const rows of [1, 9]) {
          const x = randn([1, rows, 256], random);
          for (const [index, together] of projectTogether(x, layers).entries())
            expect(layers[index]?.forward(x).equals(together), `layer ${index}`).toBe(true);
        }
      }
    }),
  );
});

test('a table that multiplies does so, too', () => {
  noGrad(() =>
    scope(() => {
      const matrix = matrixOf({ bits: 8, inFeatures: 64, outFeatures: 50, groupSize: 32 });
      const table = new IntegerEmbedding([50, 64], tensorsOf(matrix), { roundsInput: true });
      const x = randn([1, 3, 64], random);
      expect(Float32Array.from(table.project(x).toArray())).toEqual(
        reference(matrix, Float32Array.from(x.toArray()), undefined),
      );
    }),
  );
});
