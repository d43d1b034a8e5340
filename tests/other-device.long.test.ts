/**
 * The golden numbers and the operators of ours on a device that is not the CPU: tests/support/pretend-device/ runs nothing that
 * CUDA would refuse, so an operand left on the CPU, or an operator that only the CPU has, fails here.
 *
 * Shapes: N rows, D features, O outputs, V classes, G experts.
 */
import { describe, expect, test } from 'vitest';
import {
  cat,
  grad,
  intTensor,
  operator,
  RandomGenerator,
  rand,
  randn,
  scope,
  type Tensor,
} from '../src/tensor/index.js';
import { native } from '../src/tensor/native.js';
import { maxAbsDifference } from './support/golden.js';
import { describeGoldens } from './support/golden-suite.js';
import { loadPretendDevice } from './support/pretend-device/pretend-device.js';

const device = loadPretendDevice();

const ops = {
  linear: operator('xinghe::linear'),
  linears: operator('xinghe::linears'),
  grouped_linear: operator('xinghe::grouped_linear'),
  integer_linear: operator('xinghe::integer_linear'),
  integer_linears: operator('xinghe::integer_linears'),
  integer_weight: operator('xinghe::integer_weight'),
  rms_norm: operator('xinghe::rms_norm'),
  rotary: operator('xinghe::rotary'),
  gated_activation: operator('xinghe::gated_activation'),
  weighted_cross_entropy: operator('xinghe::weighted_cross_entropy'),
  causal_attention: operator('xinghe::causal_attention'),
  log_sums: operator('xinghe::log_sums'),
  weighted_target_sum: operator('xinghe::weighted_target_sum'),
};
type Name = keyof typeof ops;

/** Run by the golden generations below, or by ranks, which take the CPU alone (selectRankDevice). */
const ELSEWHERE = [
  ...['paged_attention', 'paged_attention_composed', 'paged_attention_projected'],
  ...['paged_pre_norm_block', 'paged_pre_norm_integer_block'],
  ...['all_reduce_forward', 'all_reduce_backward', 'all_gather', 'reduce_scatter', 'all_to_all'],
];

type Input = (index: number) => Tensor;

/** Inputs, those with gradients first; the same on each device. */
interface Case {
  readonly floats: readonly (readonly number[])[];
  readonly others?: () => Tensor[];
  readonly run: (float: Input, other: Input) => Tensor;
}

const bytes = (shape: readonly number[], end: number, seed: number): Tensor =>
  rand(shape, new RandomGenerator(seed), { low: 0, high: end }).to('uint8');
const int4 = (): Tensor[] => [
  bytes([6, 32], 256, 1),
  rand([6, 2], new RandomGenerator(2)),
  bytes([6, 2], 16, 3),
];
const at = (tensors: readonly Tensor[], index: number): Tensor => {
  const tensor = tensors[index];
  if (tensor === undefined) throw new RangeError(`there is no input ${index}`);
  return tensor;
};
const weights = (): Tensor => intTensor([1, 0, 2, 1, 1]).to('float32');
const targets = (): Tensor => intTensor([3, -100, 0, 6, 2]);

const cases: Record<Name, Case> = {
  linear: { floats: [[5, 8], [6, 8], [6]], run: (x) => ops.linear(x(0), x(1), x(2)) },
  linears: {
    floats: [
      [5, 8],
      [6, 8],
      [4, 8],
    ],
    run: (x) => cat(ops.linears(x(0), [x(1), x(2)], [null, null]), 1),
  },
  grouped_linear: {
    floats: [
      [5, 8],
      [3, 6, 8],
    ],
    others: () => [intTensor([2, 0, 3])],
    run: (x, other) => ops.grouped_linear(x(0), x(1), other(0)),
  },
  integer_linear: {
    floats: [[5, 64]],
    others: int4,
    run: (x, other) => ops.integer_linear(x(0), other(0), other(1), other(2), undefined, undefined, 32),
  },
  integer_linears: {
    floats: [],
    others: () => [...int4(), randn([5, 64], new RandomGenerator(4))],
    run: (_, other) =>
      cat(ops.integer_linears(other(3), [other(0), other(1), other(2)], [null], [null], [32]), 1),
  },
  integer_weight: {
    floats: [],
    others: int4,
    run: (_, other) => ops.integer_weight(other(0), other(1), other(2), undefined, 64, 32),
  },
  rms_norm: { floats: [[5, 8], [8]], run: (x) => ops.rms_norm(x(0), x(1), 1e-6, false) },
  rotary: {
    floats: [[1, 2, 5, 8]],
    others: () => [0, 1].map((seed) => randn([5, 8], new RandomGenerator(seed))),
    run: (x, other) => ops.rotary(x(0), other(0), other(1)),
  },
  gated_activation: {
    floats: [
      [5, 8],
      [5, 8],
    ],
    run: (x) => ops.gated_activation(x(0), x(1), 'silu'),
  },
  weighted_cross_entropy: {
    floats: [[5, 7]],
    others: () => [targets(), weights()],
    run: (x, other) => ops.weighted_cross_entropy(x(0), other(0), other(1)),
  },
  // Rows of two documents, and a window that is shorter than they are.
  causal_attention: {
    floats: [
      [2, 3, 6, 8],
      [2, 1, 6, 8],
      [2, 1, 6, 8],
    ],
    others: () => [intTensor([0, 0, 0, 0, 4, 4, 0, 0, 2, 2, 2, 2], [2, 6])],
    run: (x, other) => ops.causal_attention(x(0), x(1), x(2), other(0), 3),
  },
  log_sums: {
    floats: [],
    others: () => [randn([5, 7], new RandomGenerator(6)), weights()],
    run: (_, other) => ops.log_sums(other(0), other(1)),
  },
  // As a part of the classes: targets of others are below 0 or beyond the last.
  weighted_target_sum: {
    floats: [[5, 4]],
    others: () => [targets(), weights(), randn([5], new RandomGenerator(7)).abs().add(2)],
    run: (x, other) => ops.weighted_target_sum(x(0), other(0), other(1), other(2)),
  },
};

function resultsOn(name: Name, where: string): Tensor[] {
  const { floats, others = () => [], run } = cases[name];
  const inputs = floats.map((shape, seed) =>
    randn(shape, new RandomGenerator(seed)).toDevice(where).setRequiresGrad(true),
  );
  const rest = others().map((tensor) => tensor.toDevice(where));
  const result = run(
    (index) => at(inputs, index),
    (index) => at(rest, index),
  );
  expect(result.device).toBe(where);
  const gradients = inputs.length === 0 ? [] : grad([result.sum()], inputs);
  return [
    result.detach(),
    ...gradients.map((tensor) =>
      at(
        [tensor].filter((t) => t !== null),
        0,
      ),
    ),
  ];
}

describe('operators of ours', () => {
  test.each(Object.keys(cases) as Name[])('%s is what it is on the CPU, its gradients too', (name) =>
    scope(() => {
      const [found, wanted] = [resultsOn(name, device), resultsOn(name, 'cpu')];
      expect(found.length).toBe(wanted.length);
      // A sum of 64 products of integers up to 15 is rounded at its own size.
      for (const [index, tensor] of wanted.entries())
        expect(maxAbsDifference(at(found, index), tensor)).toBeLessThanOrEqual(
          1e-6 * Math.max(10, maxAbsDifference(tensor, tensor.mul(0))),
        );
    }),
  );

  test('none is forgotten', () => {
    const all = native()
      .listOperators()
      .filter((name) => name.startsWith('xinghe::'))
      .map((name) => name.slice('xinghe::'.length).replace(/[.(].*$/, ''));
    expect([...new Set(all)].sort()).toEqual([...Object.keys(cases), ...ELSEWHERE].sort());
  });
});

// Every operator copies its operands: long rows add nothing but time.
describeGoldens(device, ({ name }) => !name.startsWith('long'));
